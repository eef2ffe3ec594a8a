# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.xattr_ids import ACLS, with_mapped_ids

V2 = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep
V3 = bytes.fromhex("0100000300200000000000000000000000000000")


def shifted(uid, gid):
    """Map every id to another one; -1 stays."""
    return uid if uid < 0 else uid + 1000, gid if gid < 0 else gid + 2000


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param(ACLS[1], "02000000 0200 0600 05000000", "02000000 0200 0600 ed030000", id="a user"),
        pytest.param(ACLS[0], "02000000 0800 0400 05000000", "02000000 0800 0400 d5070000", id="a group"),
        pytest.param(
            ACLS[0],
            "02000000 0100 0700 ffffffff 0400 0700 ffffffff 1000 0700 ffffffff 2000 0000 ffffffff",
            "02000000 0100 0700 ffffffff 0400 0700 ffffffff 1000 0700 ffffffff 2000 0000 ffffffff",
            id="owner, group, mask and others have none",
        ),
        pytest.param(ACLS[0], "02000000 0200 0600 0500", "02000000 0200 0600 0500", id="a cut-off ACL is the kernel's"),
        pytest.param(ACLS[0], "0200", "0200", id="so is one without a head"),
        pytest.param(ACLS[0], "", "", id="and an empty one"),
        pytest.param(b"security.capability", V3.hex() + "07000000", V3.hex() + "ef030000", id="revision 3"),
        pytest.param(b"security.capability", V3.hex(), V3.hex(), id="revision 3 without its root id"),
        pytest.param(b"security.capability", V2.hex(), V2.hex(), id="revision 2"),
        pytest.param(b"security.capability", "", "", id="no capability at all"),
        pytest.param(b"user.acl", "02000000 0200 0600 05000000", "02000000 0200 0600 05000000", id="any other"),
    ],
)
def test_values(name, value, expected):
    assert with_mapped_ids(name, bytes.fromhex(value), shifted) == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [(ACLS[0], "02000000 0200 0600 05000000"), (b"security.capability", V3.hex() + "07000000")],
)
def test_what_the_map_raises_goes_through(name, value):
    def refuse(uid, gid):
        raise ValueError(f"no {uid} {gid}")

    with pytest.raises(ValueError, match=r"no [57] -1"):
        with_mapped_ids(name, bytes.fromhex(value), refuse)
