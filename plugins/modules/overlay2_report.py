#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin overlay2_report."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_report
short_description: Keep on the controller what there is to know of a host's store, and what would be pruned there
version_added: 0.1.0
description:
  - Asks a host for the facts M(strata.overlay2.overlay2_facts) tells, and for the plan
    M(strata.overlay2.overlay2_prune) makes in check mode, and writes a record of them to a file on the controller.
    The lookup P(strata.overlay2.fleet#lookup) puts the records of all hosts together.
  - The record and the result are small, however many layers there are, so that Ansible's memory does not grow with
    the stores.
  - A host that fails, or that is unreachable, has a record that says so. The task fails there even so.
  - Changes nothing on the host, and writes the record in check mode as well.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.attributes_of_a_look
options:
  dest:
    description: Directory on the controller for the records, a file each; it is made if it is missing.
    type: str
    required: true
  prune:
    description:
      - Options of M(strata.overlay2.overlay2_prune) other than O(home), for the plan.
      - Without it there is no plan, and nothing is known of the layers' sizes.
    type: dict
  done:
    description:
      - What a task with M(strata.overlay2.overlay2_prune) has registered on the host, to be told as well.
    type: dict
  done_in_check_mode:
    description: Whether that task only told what it would do.
    type: bool
    default: false
  max_layers:
    description: How many layers of the host's tree are kept, from 1 to 2000; the rest is summed up.
    type: int
    default: 60
seealso:
  - module: strata.overlay2.overlay2_facts
  - module: strata.overlay2.overlay2_prune
"""

EXAMPLES = r"""
- name: Keep what there is to know of the host, and what nobody has used for a month
  strata.overlay2.overlay2_report:
    home: /var/lib/overlay2
    prune:
      unused_for: 30d
    dest: /srv/results/records
"""

RETURN = r"""
state:
  description:
    - V(ok), V(absent) if there is no store, V(failed), or V(unreachable); with O(done) also V(stopped), if too many
      layers would have gone.
  returned: always
  type: str
  sample: ok
path:
  description: The record, on the controller.
  returned: always
  type: str
layer_count:
  description: How many layers there are; V(none) where that cannot be told.
  returned: always
  type: int
remove_count:
  description: How many layers the plan removes; V(none) without a plan.
  returned: always
  type: int
remove_bytes:
  description: What the plan frees, litter included; V(none) without a plan.
  returned: always
  type: int
litter_count:
  description: How much litter the plan sweeps; V(none) without a plan.
  returned: always
  type: int
problem_count:
  description: How much there is that somebody should know.
  returned: always
  type: int
hint:
  description: What to do about a failure.
  returned: failure
  type: str
"""
