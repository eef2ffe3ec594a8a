# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records that overlay2_report has left on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
short_description: What the records of all hosts say, which overlay2_report has left on the controller
version_added: 0.1.0
author: Strata (@strata)
description:
  - Puts together what M(strata.overlay2.overlay2_report) has kept of the hosts.
  - A host that has no record is told of as V(unreachable), so that none is missing.
  - A file that is not a record of its host is left out, with a warning that names the file. Such are files with other
    content, symlinks, and files of a user who owns neither the process nor the directory.
options:
  _terms:
    description: The directory with the records.
    type: list
    elements: str
    required: true
  hosts:
    description: The hosts to tell of, in this order. Records of others are left alone.
    type: list
    elements: str
    required: true
  since:
    description: Records that are older, in seconds since the epoch, count as none.
    type: float
    default: 0
  form:
    description:
      - V(summary) are the sums, and a few lines for people.
      - V(json) is a list with all records as JSON, which may stand in a C(script) element of HTML as it is. Trees are
        cut so that a browser can take those of all hosts together.
    type: str
    choices: [summary, json]
    default: summary
"""

EXAMPLES = r"""
- name: Say what the hosts have
  ansible.builtin.debug:
    msg: "{{ lookup('strata.overlay2.fleet', '/srv/results/records', hosts=ansible_play_hosts_all).lines }}"
  run_once: true
"""

RETURN = r"""
_raw:
  description:
    - With O(form=summary) a dictionary. C(hosts) is how many there are, C(states) how many are in which state.
      C(layers), before anything was removed, C(remove), C(remove_bytes), C(removed), C(removed_bytes),
      C(pending_bytes) and C(foreign), which are stores of other engines, are sums. C(text) is one
      sentence of these, C(lines) has a line for each of at most 20 hosts, failed ones first.
    - With O(form=json) a string.
  type: list
  elements: raw
"""

import typing as t

from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..plugin_utils._fleet import page_data, summary


class LookupModule(LookupBase):
    """Reads the records of each directory that is named."""

    def run(
        self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[dict[str, t.Any] | str]:
        """Return what the records of each directory say."""
        self.set_options(var_options=variables, direct=kwargs)
        tell: t.Callable[..., dict[str, t.Any] | str] = page_data if self.get_option("form") == "json" else summary
        hosts = [str(host) for host in self.get_option("hosts")]
        since, warn = self.get_option("since"), Display().warning
        return [tell(str(directory), hosts, since, warn) for directory in terms]
