# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import threading

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.digests import Digest, check_digest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_digest_grows():
    digest = Digest()
    assert (str(digest), digest.size) == (EMPTY, 0)
    digest.update(b"ab")
    digest.update(memoryview(b"c"))
    assert (str(digest), digest.size) == (f"sha256:{hashlib.sha256(b'abc').hexdigest()}", 3)


def test_pieces_added_in_a_thread_keep_their_place():
    digest, pieces = Digest(), [bytes([number]) * 300_000 for number in range(6)]
    before = threading.active_count()
    for number, piece in enumerate(pieces):
        (digest.update_beside if number % 3 else digest.update)(piece)
    assert threading.active_count() == before + 1
    assert digest.size == 1_800_000
    assert str(digest) == f"sha256:{hashlib.sha256(b''.join(pieces)).hexdigest()}"
    digest.close()
    assert threading.active_count() == before


def test_a_digest_that_is_closed_goes_on():
    digest = Digest()
    digest.update_beside(b"a")
    digest.close()
    digest.update_beside(b"b")
    digest.close()
    assert str(digest) == f"sha256:{hashlib.sha256(b'ab').hexdigest()}"


def test_a_digest_passes():
    assert check_digest(EMPTY, "diff_id") == EMPTY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        EMPTY[:-1],
        EMPTY + "0",
        EMPTY + "\n",
        EMPTY.upper(),
        EMPTY[7:],
        "sha512:" + "a" * 128,
        "sha256:" + "g" * 64,
        "sha256:" + "\u0661" * 64,
        " " + EMPTY,
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidInput, match=r"^diff_id: "):
        check_digest(text, "diff_id")
