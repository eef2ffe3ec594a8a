# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The query of overlay2_image_info: which images are there. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._driver.images.catalog import images_in_archive, images_in_store, present_in
from .._driver.images.choice import check_image
from .._driver.store import Store
from .._store.layout import check_home


def look(home: str, path: str | None, image: str | None, platform: str | None) -> dict[str, t.Any]:
    """Return the images in the archive at *path*; those of the store at *home* without one. Raises Overlay2Error."""
    store = Store(check_home(home))
    check_image(image)
    if path:
        return images_in_archive(store, path, image, platform)
    return images_in_store(store, image, platform)


def look_for(home: str, chains: t.Sequence[str]) -> dict[str, t.Any]:
    """Return which of the chain ids of an image, base first, the store at *home* has. Raises Overlay2Error, OSError."""
    return {"images": [], "present": list(present_in(Store(check_home(home)), chains)), "truncated": False}
