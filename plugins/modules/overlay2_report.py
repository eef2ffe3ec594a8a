#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin overlay2_report."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_report
short_description: Keep facts about a host's store, and a plan of what would be pruned there, on the controller
version_added: 1.0.0
description:
  - Gathers a host's facts with M(strata.overlay2.overlay2_facts), and the plan of M(strata.overlay2.overlay2_prune) in
    check mode, and writes a record of both to a file on the controller. The lookup P(strata.overlay2.fleet#lookup)
    combines the records of all hosts.
  - The record and the result are small, however many layers there are, so that Ansible's memory does not grow with
    the stores.
  - A host that fails or is unreachable gets a record that says so. The task still fails on that host.
  - The module changes nothing on the host. It also writes the record in check mode.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.attributes_of_a_look
options:
  dest:
    description: Directory on the controller for the records, one file per host. The module makes a missing directory.
    type: str
    required: true
  prune:
    description:
      - Options of M(strata.overlay2.overlay2_prune) for the plan, without O(home).
      - Omitted, there is no plan, and the record has no sizes of layers.
    type: dict
  done:
    description:
      - The registered result of a task with M(strata.overlay2.overlay2_prune) on the host, to record too.
    type: dict
  done_in_check_mode:
    description: Whether the task of O(done) ran in check mode.
    type: bool
    default: false
  max_layers:
    description: How many layers of the host's tree to record, from 1 to 2000. The record sums up the others.
    type: int
    default: 60
  stores:
    description:
      - Whether to record the largest layer stores of the host, of any engine, as the subset C(stores) of
        M(strata.overlay2.overlay2_facts) tells them.
    type: bool
    default: false
seealso:
  - module: strata.overlay2.overlay2_facts
  - module: strata.overlay2.overlay2_prune
"""

EXAMPLES = r"""
- name: Record facts about the host, and the layers that nobody has used for a month
  strata.overlay2.overlay2_report:
    home: /var/lib/overlay2
    prune:
      unused_for: 30d
    dest: /srv/results/records
"""

RETURN = r"""
state:
  description:
    - V(ok), V(absent) if there is no store, V(failed), or V(unreachable). With O(done) also V(stopped), if more layers
      would have gone than C(max_remove) allows.
  returned: always
  type: str
  sample: ok
path:
  description: Path of the record on the controller.
  returned: always
  type: str
  sample: /var/lib/overlay2/job-1/link
layer_count:
  description: Number of layers; V(none) if unknown.
  returned: always
  type: int
  sample: 2
remove_count:
  description: Number of layers that the plan removes; V(none) without a plan.
  returned: always
  type: int
  sample: 3
remove_bytes:
  description: Bytes that the plan frees, litter included; V(none) without a plan.
  returned: always
  type: int
  sample: 734003200
orphan_bytes:
  description: >-
    Bytes that the plan would free with O(ignore:foreign=remove) and the engine stopped, in the store of another engine;
    V(none) without a plan.
  returned: always
  type: int
  sample: 0
litter_count:
  description: Number of pieces of litter that the plan sweeps; V(none) without a plan.
  returned: always
  type: int
  sample: 0
problem_count:
  description: Number of problems and findings.
  returned: always
  type: int
  sample: 1
worst:
  description:
    - V(damage), if something damages or stops the store; V(problems), if a person has to decide something, or there is
      no store at O(home); or V(nothing).
  returned: always
  type: str
  sample: nothing
verdict:
  description: The worst problem with its remedy, in one line; empty if RV(worst=nothing).
  returned: always
  type: str
  sample: ""
hint:
  description: What to do about the failure.
  returned: failure
  type: str
  sample: unmount the layer for job-1 first
"""
