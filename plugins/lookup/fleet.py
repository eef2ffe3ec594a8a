# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Combine the records that overlay2_report wrote on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
short_description: Combine the records of all hosts that overlay2_report wrote on the controller
version_added: 1.0.0
author: Strata (@strata)
description:
  - Combines the records that M(strata.overlay2.overlay2_report) wrote for the hosts.
  - A host without a record counts as V(unreachable), so that no host is missing.
  - A file that is not a record of its host is left out, and a warning names the file. This concerns files with other
    content, symlinks, and files of a user who owns neither the process nor the directory.
options:
  _terms:
    description: Directories with records.
    type: list
    elements: str
    required: true
  hosts:
    description: The hosts to report on, in this order. Records of other hosts do not matter.
    type: list
    elements: str
    required: true
  since:
    description: Older records, in seconds since the epoch, do not count.
    type: float
    default: 0
  others:
    description:
      - Hosts that the run did not ask, such as those that C(--limit) leaves out. With O(form=json) and
        O(form=prometheus), the last record of each of them counts, too, however old it is. In the JSON, C(earlier) is
        V(true) in such a record. One of these hosts without a record is left out.
    type: list
    elements: str
    default: []
  form:
    description:
      - V(summary) returns sums, and a few lines for people.
      - V(json) returns a list of all records as JSON, safe inside a C(script) element of HTML. Trees are cut so that a
        browser can show those of all hosts together.
      - V(prometheus) returns numbers of each host as text for Prometheus, such as for the textfile collector of
        node_exporter. All metrics begin with C(strata_overlay2_).
    type: str
    choices: [summary, json, prometheus]
    default: summary
"""

EXAMPLES = r"""
- name: Show a summary of the hosts
  ansible.builtin.debug:
    msg: "{{ lookup('strata.overlay2.fleet', '/srv/results/records', hosts=ansible_play_hosts_all).lines }}"
  run_once: true
"""

RETURN = r"""
_raw:
  description:
    - With O(form=summary), a dictionary. C(hosts) is the number of hosts, C(states) the number of hosts by state. Sums
      over all hosts are C(layers), before any removal, C(remove), C(remove_bytes), C(removed), C(removed_bytes),
      C(pending_bytes), C(orphan_bytes), what the orphans take that stay in stores of other engines, and C(foreign), the
      number of these stores. C(damaged) is the number of hosts that answered and have damage, and C(with_problems) the
      number of those where a person has to decide something. C(text) puts the sums into one sentence. C(lines) has a
      line for each of at most 20 hosts with its worst problem and the remedy, the worst hosts first.
    - With O(form=json) and O(form=prometheus), a string.
  type: list
  elements: raw
"""

import typing as t

from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..plugin_utils._fleet import page_data, prometheus, summary


class LookupModule(LookupBase):
    """Reads the records in each of the given directories."""

    def run(
        self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[dict[str, t.Any] | str]:
        """Return the summary, or the JSON, of the records in each directory."""
        self.set_options(var_options=variables, direct=kwargs)
        forms: dict[str, t.Callable[..., dict[str, t.Any] | str]]
        forms = {"summary": summary, "json": page_data, "prometheus": prometheus}
        tell = forms[self.get_option("form")]
        hosts = [str(host) for host in self.get_option("hosts")]
        others = [str(host) for host in self.get_option("others")]
        since, warn = self.get_option("since"), Display().warning
        return [tell(str(directory), hosts, since, warn, others) for directory in terms]
