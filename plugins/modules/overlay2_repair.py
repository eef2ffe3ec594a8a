#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair what has exactly one right repair in a store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_repair
short_description: Repair the damage of an overlay2 store that has exactly one right repair
version_added: 1.0.0
description:
  - Finds what is wrong with a store, as the C(health) of M(strata.overlay2.overlay2_facts) does, and repairs what has
    exactly one right repair. The module never guesses. A repair needs at least one file that tells what was lost, and
    no file that tells otherwise.
  - Names are stored twice, in the link files of the layers and in C(l/), and the C(lower) files of the layers above
    hold a part of the chain. The record C(.strata.json) of a layer also has its name, its parent, and whether it is
    sealed. A layer that an older version made gets these values from the first run that changes the layer.
  - The module repairs link files, names in C(l/), C(lower) files, lost marks of sealed layers, lost C(work)
    directories, and modes and owners of the directories that M(strata.overlay2.overlay2_init) and
    M(strata.overlay2.overlay2_layer) made. Lost content comes back only from a tar in O(src).
  - While M(strata.overlay2.overlay2_diff) applies a tar to a layer, it keeps a manifest beside the content,
    C(.strata-files), with type, mode, owner, size, a CRC-32 of the bytes, and a digest of the extended attributes of
    each file. With O(contents), the module compares the layers with their manifests. The manifest is erased when
    content may change, as when the layer is mounted read-write, and stays if the mount fails. A CRC finds what a disk
    or a mistake did, but not what a user forged who may write to the store.
  - Nothing in a C(diff) is opened for writing, and no file is removed. Only O(src) replaces a C(diff), as a whole. A
    damaged file is replaced by one rename. What only a person can read is moved aside, to a name with C(.damaged-1).
  - Damage that the module cannot repair does not fail the task. The damage is in RV(left), and a condition such as
    C(failed_when) can fail on it.
  - A layer that is mounted read-write is not changed. The task then fails with C(layer_in_use). A mounted layer above a
    repaired one keeps its mount, and a warning names it.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.attributes
options:
  ids:
    description:
      - Only these layers, and the layers below them.
      - Omitted, the whole store is repaired.
    type: list
    elements: str
  parents:
    description:
      - The parents of layers whose C(lower) file is lost and that no file tells, by id. V("") means that a layer has no
        parent.
      - If the files of a layer tell another parent, the task fails with C(parent_mismatch).
    type: dict
    default: {}
  accept:
    description:
      - Codes of findings whose repair loses something. Without its code, such a finding is only told.
      - V(link_astray) takes the name in a link file where C(l/) contradicts the file and both may be right. It also
        removes names from C(l/) that lead to a layer with another name, and that no C(lower) file holds.
      - V(stale_volatile) removes the marker of a volatile mount that did not end in order. Files of the layer may be
        missing or cut off.
      - V(store_file_unreadable) moves a layer's C(.strata.json) aside if its content is damaged, and writes a new one
        without what only the old one held, such as the diff id.
    type: list
    elements: str
    choices: [stale_volatile, link_astray, store_file_unreadable]
    default: []
  contents:
    description:
      - Also compare each file of the layers with what was applied. What differs is a finding C(content_rotten), one a
        path, at most 100 for a layer. A layer with content and without a manifest is a finding C(content_unknown).
      - Reads every file of the layers. No lock is held meanwhile.
      - In a run, the time of the comparison is noted in the layer's C(.strata-verified). Noting is no change.
    type: bool
    default: false
  unverified_for:
    description:
      - With O(contents), leave out the layers that were found to be sound within this time, or applied, such as V(30d),
        V(36h) or V(90m).
    type: str
  max_seconds:
    description:
      - With O(contents), stop comparing after so many seconds. The next run goes on where this one stopped, and then
        with the layer that was not compared for longest.
    type: int
  src:
    description:
      - Tars on the target from which content is put back, by the id of the layer. Plain or compressed, as for
        M(strata.overlay2.overlay2_diff).
      - These layers are always compared, whatever O(contents), O(unverified_for) and O(max_seconds) say. Content is put
        back if it is lost or if it differs. A layer that is sound stays as it is, and its tar is not read.
      - The tar must have the diff id that the layer's record tells. If it does not, the task fails with
        C(digest_mismatch) and nothing is changed.
      - The whole content is replaced in one step. The layer may have children. Neither the layer nor a layer above it
        may be mounted.
    type: dict
    default: {}
  foreign:
    description:
      - What to do in the store of another engine, Docker or containers-storage (Podman, Buildah).
      - V(report) tells what is wrong and what V(repair) would do, and changes nothing.
      - V(repair) repairs names in C(l/), C(link) and C(lower) files, C(work) directories and, in a store of Docker,
        C(committed), as the engine writes them. The engine's records tell what each layer is built on. Modes, owners
        and files of the engine are not changed.
      - The records do not tell it of a layer that BuildKit made, nor of a layer whose record is torn. Such a layer can
        be repaired only if other layers tell it.
      - The engine must be stopped, and nothing may use its data root, else V(repair) is C(store_foreign). It is
        C(store_foreign), too, in the store of an engine that runs without root, and together with O(parents) or
        O(accept).
    type: str
    choices: [report, repair]
    default: report
seealso:
  - module: strata.overlay2.overlay2_facts
  - module: strata.overlay2.overlay2_prune
"""

EXAMPLES = r"""
- name: Show what would be repaired
  strata.overlay2.overlay2_repair:
    home: /var/lib/overlay2
  check_mode: true
  register: repair

- name: Show why
  ansible.builtin.debug:
    msg: "{{ item.message }} {{ item.repair }}, because {{ item.evidence | join(', and ') }}"
  loop: "{{ repair.findings | selectattr('certain') }}"

- name: Repair the store, and stop if damage is left
  strata.overlay2.overlay2_repair:
    home: /var/lib/overlay2
  register: repaired
  failed_when: repaired is failed or repaired.left | length > 0

- name: Say what a layer was built on, of which no file is left that tells it
  strata.overlay2.overlay2_repair:
    home: /var/lib/overlay2
    parents:
      job-1: tools

- name: Repair the store of a Docker that is stopped
  strata.overlay2.overlay2_repair:
    home: /var/lib/docker/overlay2
    foreign: repair

- name: Keep a layer although the host went down while it was mounted volatile
  strata.overlay2.overlay2_repair:
    home: /var/lib/overlay2
    ids: [job-1]
    accept: [stale_volatile]

- name: Compare every layer once a month, an hour each night
  strata.overlay2.overlay2_repair:
    home: /var/lib/overlay2
    contents: true
    unverified_for: 30d
    max_seconds: 3600
  register: nightly
  failed_when: nightly is failed or nightly.left | selectattr('code', 'eq', 'content_rotten') | list | length > 0

- name: Put the content of a layer back
  strata.overlay2.overlay2_repair:
    home: /var/lib/overlay2
    src:
      base: /srv/images/rootfs.tar.gz
"""

RETURN = r"""
actions:
  description: What the run did, in order. In check mode, what the run would do.
  returned: always
  type: list
  elements: str
  sample: ["write the link file of layer tools again", "seal layer base again"]
findings:
  description: What was wrong before the run, in the order of the C(health) of M(strata.overlay2.overlay2_facts).
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description: What is wrong, as in the C(health) of M(strata.overlay2.overlay2_facts).
      type: str
      sample: link_empty
    kind:
      description:
        - V(damage) if the store, or a layer, does not work; V(litter) if M(strata.overlay2.overlay2_prune) removes it;
          V(care) if a person has to decide; V(note) if it is good to know.
      type: str
      sample: damage
    subject:
      description: The layer, or the name in the store.
      type: str
      sample: job-1
    path:
      description: The path with the finding.
      type: str
      sample: /var/lib/overlay2/job-1/link
    message:
      description: What is wrong.
      type: str
      sample: "layer job-1 is damaged: its link file is empty"
    hint:
      description: What to do about it. C(; or) separates alternatives.
      type: str
      sample: strata.overlay2.overlay2_repair repairs it
    repair:
      description: What M(strata.overlay2.overlay2_repair) does about it. V(none) for nothing.
      type: str
      sample: write the link file of layer job-1 again
    certain:
      description:
        - Whether M(strata.overlay2.overlay2_repair) does so without further options. In another engine's store it does
          so with O(strata.overlay2.overlay2_repair#module:foreign=repair).
      type: bool
      sample: true
    evidence:
      description: What proves that the repair is right, as sentences.
      type: list
      elements: str
      sample: [its record says that its name is l/6SH35FALY44LM4OBYJFTW3TYOV]
left:
  description: What is wrong after the run; in check mode, what would be. The values are those of RV(findings).
  returned: success
  type: list
  elements: dict
  sample: []
verified:
  description: What was compared. V(none) without O(contents) and O(src).
  returned: success
  type: dict
  contains:
    layers:
      description: How many layers were compared to their end.
      type: int
      sample: 2
    files:
      description: How many files were read.
      type: int
      sample: 40210
    bytes:
      description: The size of these files.
      type: int
      sample: 734003200
    pending_layers:
      description: How many layers were not compared to their end, because the time was up or another run changed them.
      type: int
      sample: 3
    oldest_seconds:
      description: How long ago the layer was compared, or filled, that was not compared for longest. V(0) for no layer.
      type: int
      sample: 259200
error:
  description: Stable code of the failure. C(docs/errors.md) of the collection lists the codes.
  returned: failure
  type: str
  sample: layer_in_use
hint:
  description: What to do about the failure.
  returned: failure
  type: str
  sample: unmount the layer for job-1 first
"""

from ansible_collections.strata.overlay2.plugins.module_utils._driver.repair.state import Asked
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._module.prune_arguments import parse_duration
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.repair import RepairTask


def main() -> None:
    """Run the module."""
    run_module(
        lambda params: RepairTask(
            params["home"],
            Asked(
                None if params["ids"] is None else tuple(params["ids"]),
                {id: str(parent or "") for id, parent in params["parents"].items()},
                frozenset(params["accept"]),
                params["foreign"] == "repair",
                params["contents"],
                parse_duration(params["unverified_for"], "unverified_for") or 0,
                params["max_seconds"],
                {id: str(path) for id, path in params["src"].items()},
            ),
        ),
        argument_spec={
            **home_argument(),
            **lock_argument(),
            "ids": {"type": "list", "elements": "str"},
            "parents": {"type": "dict", "default": {}},
            "accept": {
                "type": "list",
                "elements": "str",
                "choices": ["stale_volatile", "link_astray", "store_file_unreadable"],
                "default": [],
            },
            "contents": {"type": "bool", "default": False},
            "unverified_for": {"type": "str"},
            "max_seconds": {"type": "int"},
            "src": {"type": "dict", "default": {}},
            "foreign": {"type": "str", "choices": ["report", "repair"], "default": "report"},
        },
    )


if __name__ == "__main__":
    main()
