# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice of an image by name or digest, and by platform."""

from __future__ import annotations

import re

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected, InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._image.documents import Descriptor
from ansible_collections.strata.overlay2.plugins.module_utils._image.offers import Offer, choose
from ansible_collections.strata.overlay2.plugins.module_utils._image.platforms import parse_platform

AMD, ARM = "linux/amd64", "linux/arm64"


def digest(number):
    return f"sha256:{number:064x}"


def offer(number, names=(), platform=AMD, entry=None, problem=""):
    blob = Descriptor("type", digest(number), 1)
    found = platform and parse_platform(platform)
    return Offer(blob, number if entry is None else entry, tuple(names), (digest(number), digest(1000)), found, problem)


def described(found):
    """Return the offer with a config, whose digest is 500 more than that of the manifest."""
    number = int(found.document.digest[7:], 16)
    platform = found.platform or parse_platform(ARM if number % 2 else AMD)
    return found._replace(digests=(*found.digests, digest(500 + number)), platform=platform)


def chosen(offers, image=None, platform=AMD):
    return int(choose(offers, described, image, parse_platform(platform)).document.digest[7:], 16)


TWO = [offer(1, ["a", "a:1"]), offer(2, ["b\n"])]


@pytest.mark.parametrize(
    ("image", "number"), [("a", 1), ("a:1", 1), ("b\n", 2), ("b\\x0a", 2), (digest(2), 2), (digest(501), 1)]
)
def test_a_name_or_a_digest_chooses_an_image(image, number):
    assert chosen(TWO, image) == number


def test_a_name_that_looks_like_a_digest_is_a_name():
    assert chosen([offer(1, ["a"]), offer(2, [digest(9)])], digest(9)) == 2


@pytest.mark.parametrize("image", ["c", "a:2", "", digest(3), "sha256:a"])
def test_another_name_is_an_error_that_lists_the_names(image):
    with pytest.raises(InvalidInput, match="the archive has no image") as caught:
        chosen(TWO, image)
    assert caught.value.hint == "set image to one of: a, a:1, b\\x0a"


def test_of_several_images_one_must_be_chosen():
    with pytest.raises(InvalidInput, match="holds 2 images"):
        chosen(TWO)


def test_images_without_names_are_listed_by_their_digests():
    with pytest.raises(InvalidInput) as caught:
        chosen([offer(1), offer(2)])
    assert caught.value.hint == f"set image to one of: {digest(1)}, {digest(2)}"


def test_one_name_of_two_images_is_ambiguous():
    with pytest.raises(ArchiveRejected, match=re.escape("2 images in the archive have the name a")):
        chosen([offer(1, ["a"]), offer(2, ["a"])], "a")


def test_one_name_of_two_images_is_not_ambiguous_if_their_platforms_differ():
    offers = [offer(1, ["a"]), offer(2, ["a"], ARM)]
    assert chosen(offers, "a") == chosen(offers) == 1
    assert chosen(offers, "a", ARM) == chosen(offers, platform=ARM) == 2


def test_the_first_image_of_an_entry_for_the_platform_counts():
    assert chosen([offer(1, entry=0, platform=ARM), offer(2, entry=0), offer(3, entry=0)]) == 2


def test_the_config_tells_the_platform_that_no_index_tells():
    offers = [offer(1, platform=None), offer(2, platform=None)]
    assert chosen(offers) == 2
    assert chosen(offers, platform=ARM) == 1


def test_an_image_for_another_platform_is_an_error_that_names_the_platforms():
    with pytest.raises(InvalidInput, match="the image is for linux/amd64, not for linux/arm64") as caught:
        chosen([offer(1)], platform=ARM)
    assert caught.value.details == {"platforms": [AMD]}


def test_what_is_no_image_is_left_out():
    assert chosen([offer(1, platform=AMD, problem="it is an artifact"), offer(2)]) == 2
    with pytest.raises(ArchiveRejected, match="it is an artifact"):
        chosen([offer(1, problem="it is an artifact")])
    with pytest.raises(ArchiveRejected, match="names no image"):
        chosen([])
