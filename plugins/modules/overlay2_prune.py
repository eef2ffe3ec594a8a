#!/usr/bin/python
# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go is gone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay2_prune
short_description: Remove the layers of an overlay2 store that nobody needs, by a plan that can be read first
version_added: 0.1.0
description:
  - Removes layers by what is known of them, such as when they were last used, and sweeps litter.
  - In check mode the plan is returned; the run does that. With O(until_free) it may remove more, if what it removed
    frees less than the plan estimates.
  - A layer goes only if every option that is given lets it. Without any of O(keep_last), O(match), O(unused_for),
    O(older_than), O(until_free), O(until_used) and O(orphans_only) no layer goes.
  - Mounted, held and busy layers always stay, and so do damaged ones, and all that lies below a layer that stays. While
    there is a layer of which it cannot be told what it is built on, no layer goes.
  - A layer that cannot be read, such as one with a file that the filesystem lost in a power cut, stays, has no size
    and is told in a warning that names the file. It keeps nothing else but what it is built on.
  - Litter is always swept, which is what killed runs left, names in C(l/) that lead nowhere, holders of another boot
    and limits of layers that are gone. A leftover of which nothing can be deleted, since a file in it is immutable,
    swapped to, mounted on or unreadable, stays and changes nothing. A warning names the file and what holds it.
  - A name that leads nowhere stays if a layer needs it, since that is damage.
  - A layer is used when it is made, filled, mounted, held or let go, and when a layer built on it is made, mounted or
    unmounted. The time of its C(.strata.json) tells. A layer without that file, such as one that dockerd made, was
    used when its C(link), C(committed) or C(work) changed last. It was made when its C(link) was written.
  - A layer that was held when the host went down counts as used until it came up again.
  - A layer with times before 2015, or in the future, was used on a host with a wrong clock. O(unused_for) and
    O(older_than) select no such layer, and with O(until_free) and O(until_used) it goes last.
  - Blocks that files share by reflinks or deduplication are not known to be shared. The plan counts them as often as
    files name them.
author: Strata (@strata)
extends_documentation_fragment:
  - strata.overlay2.overlay2
  - strata.overlay2.overlay2.lock
  - strata.overlay2.overlay2.attributes
options:
  keep:
    description:
      - Layers that stay, as ids or globs. A pattern that matches no layer gives a warning.
      - What lies below them stays, too.
    type: list
    elements: str
    default: []
  keep_last:
    description:
      - How many layers of each lineage stay, the newest by when they were made.
      - A lineage is a layer without parent with all that is built on it.
    type: int
  match:
    description: Only layers with these ids, or whose ids these globs match, may go; with V([]) none may.
    type: list
    elements: str
  unused_for:
    description:
      - Only layers that were not used for so long may go, such as V(90m), V(36h), V(7d) or V(2w).
    type: str
  older_than:
    description: Only layers that were made so long ago may go, written as for O(unused_for).
    type: str
  until_free:
    description:
      - Only so many layers go that this much of the filesystem is free, such as V(20G), or V(15%) of its size.
      - Those with the oldest use go first. The plan estimates what is free then. The run looks at what is free once it
        removed these, and removes more, in the same order, until so much is free, or no layer is left that may go.
    type: str
  until_used:
    description:
      - Only so many layers go that the others take no more than this, such as V(50G), or V(30%) of the filesystem's
        size. Hard links count once.
      - Those with the oldest use go first. With O(until_free) as well, layers go until both are reached.
    type: str
  orphans_only:
    description: Only layers in the store of another engine may go that none of the engine's records knows.
    type: bool
    default: false
  foreign:
    description:
      - What to do in the store of another engine, Docker's or that of containers-storage, where layers may go only if
        none of the engine's records knows them.
      - V(report) tells about these orphans and litter, and changes nothing.
      - V(remove) removes those that the other options let go, and sweeps litter. While the engine runs, that is, while
        a process has an open file or its cwd in the engine's data root, or something is mounted there, that is
        C(store_foreign).
      - If a record of the engine cannot be read, nothing is an orphan.
    type: str
    choices: [report, remove]
    default: report
  max_seconds:
    description:
      - How long deleting may take. Layers go out of sight at once, each by one rename, and do not count as layers from
        then on; what is left of them after that time, RV(pending_bytes), goes on to be deleted in the next run, and
        also by any other that changes something in the store.
      - Without it the run ends when all is deleted.
    type: int
  max_remove:
    description:
      - How many layers may go in one run, as a number, or as a share of all layers such as V(20%).
      - If more would, that is C(too_many_layers), in check mode as well, and nothing changes.
      - Without it there is no such limit.
    type: str
seealso:
  - module: strata.overlay2.overlay2_layer
  - module: strata.overlay2.overlay2_facts
"""

EXAMPLES = r"""
- name: Show which layers nobody has used for a week
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2
    unused_for: 7d
    keep: [base-*]
  check_mode: true
  register: plan

- name: Remove them, but no more than it takes to have 15 % of the filesystem free
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2
    unused_for: 7d
    keep: [base-*]
    until_free: 15%

- name: Keep what was used last, as much as fits into 50 GiB
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2
    until_used: 50G

- name: Keep the three newest layers on each base, and end within some seconds
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2
    keep_last: 3
    max_seconds: 10

- name: Keep the newest layer on each base, unless that would remove more than a fifth of all
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2
    keep_last: 1
    max_remove: 20%

- name: Sweep what killed runs left, and nothing else
  strata.overlay2.overlay2_prune:
    home: /var/lib/overlay2

- name: Find what a killed dockerd left
  strata.overlay2.overlay2_prune:
    home: /var/lib/docker/overlay2
    orphans_only: true
  register: docker

- name: Show how much that is
  ansible.builtin.debug:
    msg: "{{ item.id }}: {{ item.bytes_exclusive }} bytes, {{ item.reason }}"
  loop: "{{ docker.layers | selectattr('reason', 'match', 'orphan') }}"

- name: Remove it, with dockerd stopped
  strata.overlay2.overlay2_prune:
    home: /var/lib/docker/overlay2
    orphans_only: true
    foreign: remove
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: str
  sample: ["remove layer job-17", "sweep 1 dangling name in l/"]
layers:
  description: All layers there were; first those that go, in order, then the others by id.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The layer.
      type: str
    parent:
      description: The layer right below; empty if there is none, or if it cannot be told.
      type: str
    decision:
      description: V(remove) or V(keep).
      type: str
    reason:
      description: Why. Of a layer that no record of the store's engine knows it begins with V(orphan).
      type: str
      sample: held by ansible
    bytes_exclusive:
      description:
        - Bytes that are freed by removing this layer, once the removals that are listed before it are done. They are
          counted in blocks, and on XFS with the inodes. A file with several names counts where its last name goes.
        - V(0) for a layer that others are built on which stay, V(none) for one that cannot be read.
      type: int
    bytes_shared:
      description:
        - Bytes of this layer that layers which stay still use. They are built on it, or share hard links with it.
        - V(none) for a layer that cannot be read.
      type: int
    inodes:
      description: Files and directories in its directory; V(none) if it cannot be read.
      type: int
    age_seconds:
      description: For how long there has been the layer.
      type: int
    unused_seconds:
      description: For how long it has not been used; never more than RV(layers[].age_seconds).
      type: int
    depth:
      description: How many layers are below.
      type: int
remove_bytes:
  description: What is freed by all that goes, litter included.
  returned: success
  type: int
pending_bytes:
  description:
    - Of what is out of sight already, how much is still to be deleted.
    - V(none) in check mode with O(max_seconds), if anything would go.
  returned: success
  type: int
litter:
  description: >-
    What was swept, or in another engine's store with O(foreign=report) only seen; with what cannot be swept now,
    which a warning tells.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description:
        - V(dangling_link), V(staging_leftover), V(dead_holder) or V(leaked_project), as in the C(health) of
          overlay2_facts.
      type: str
    subject:
      description: The layer, or the name in the store.
      type: str
    path:
      description: Where it was found.
      type: str
    bytes:
      description: What is freed when it is swept.
      type: int
error:
  description: Stable code of a failure, as in the collection's C(docs/errors.md).
  returned: failure
  type: str
  sample: store_foreign
hint:
  description: What to do about a failure.
  returned: failure
  type: str
"""

import typing as t

from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.rounds import Rounds
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.state import PruneOptions
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._module.engine import run_module
from ansible_collections.strata.overlay2.plugins.module_utils._module.prune_arguments import (
    parse_duration,
    parse_number,
    parse_room,
)
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.prune import PruneTask


def asked(params: dict[str, t.Any]) -> PruneOptions:
    """Return what the parameters ask for. Raises InvalidInput."""
    return PruneOptions(
        keep=tuple(params["keep"]),
        keep_last=params["keep_last"],
        match=None if params["match"] is None else tuple(params["match"]),
        unused_for=parse_duration(params["unused_for"], "unused_for"),
        older_than=parse_duration(params["older_than"], "older_than"),
        until_free=parse_room(params["until_free"], "until_free"),
        until_used=parse_room(params["until_used"], "until_used"),
        orphans_only=params["orphans_only"],
        remove_foreign=params["foreign"] == "remove",
        max_seconds=params["max_seconds"],
        max_remove=parse_number(params["max_remove"], "max_remove"),
    )


def main() -> None:
    """Run the module."""
    rounds = Rounds()
    run_module(
        lambda params: PruneTask(params["home"], asked(params), rounds),
        argument_spec={
            **home_argument(),
            **lock_argument(),
            "keep": {"type": "list", "elements": "str", "default": []},
            "keep_last": {"type": "int"},
            "match": {"type": "list", "elements": "str"},
            "unused_for": {"type": "str"},
            "older_than": {"type": "str"},
            "until_free": {"type": "str"},
            "until_used": {"type": "str"},
            "orphans_only": {"type": "bool", "default": False},
            "foreign": {"type": "str", "choices": ["report", "remove"], "default": "report"},
            "max_seconds": {"type": "int"},
            "max_remove": {"type": "str"},
        },
    )


if __name__ == "__main__":
    main()
