# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action that applies a tar to a layer. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from ..._archive.apply import apply_layer
from ..._archive.clone import clone_tree
from ..._archive.manifest import ManifestWriter
from ..._errors import DigestMismatch, printable
from ..._linux.rename import exchange, rename_noreplace
from ..._linux.subject import about
from ..._linux.sync import sync_directory
from ..._store.layout import DIFF, DIFF_MODE, EXACT, MANIFEST
from ..._store.recognition import has_content
from ..._store.record import Record
from ..._store.record_writer import forget_content, record_content
from ..._store.settings import Settings
from ..plan import Action
from ..state import LayerState
from ..store import Store
from ..undo import undone_if_it_fails
from .archive_file import open_archive
from .exact_file import new_exact
from .free import check_unmounted
from .manifest_file import new_manifest
from .source import Source

if t.TYPE_CHECKING:
    from ..run import Run


class ApplyArchive(Action):
    """Replace a layer's content with that of a tar, or merge the tar into the content; all or nothing."""

    def __init__(self, layer: LayerState, source: Source, settings: Settings, userxattr: bool) -> None:
        self.layer = layer
        self.source = source
        self.diff_id = self.digest = ""
        self._settings = settings
        self._userxattr = userxattr

    def describe(self) -> str:
        return f"{'merge the tar into' if self.source.merge else 'replace the content of'} layer {self.layer.id}"

    def prepare(self, run: Run) -> None:
        try:
            self._unpack(run)
        except OSError as error:
            from ..quota import projects  # a run that succeeds does not need quotas

            full = None
            with contextlib.suppress(OSError):
                full = projects.no_space_error(run.home, self.layer.id) if error.errno in projects.FULL else None
            if full:
                raise full from error
            raise
        self._check("diff_id", self.source.diff_id, self.diff_id)
        self._check("digest", self.source.digest, self.digest)

    def _unpack(self, run: Run) -> None:
        new = os.path.join(run.staging(self.layer.id), DIFF)
        current = f"{run.home}/{self.layer.id}/{DIFF}"
        if self.source.merge:
            with about(new):
                clone_tree(current, new)
        else:
            self._make_directory(run, current, new)
        lowers = [f"{run.home}/{lower}/{DIFF}" for lower in self.layer.lowers]
        with contextlib.ExitStack() as stack:
            stack.enter_context(about(new))
            reader = stack.enter_context(open_archive(self.source.path))
            manifest = stack.enter_context(self._manifest(run))
            exact = stack.enter_context(new_exact(run.staging(self.layer.id), self._keeps_exact(run)))
            apply_layer(
                reader.read,
                new,
                lowers=lowers,
                map_ids=self._settings.host_ids,
                userxattr=self._userxattr,
                max_size=self.source.max_size,
                expected=bool(self.source.diff_id or self.source.digest),
                manifest=manifest,
                exact=exact,
            )
            self.diff_id, self.digest = reader.diff_id, reader.digest
            if manifest:
                manifest.finish(self.diff_id)
            if exact:
                exact.finish(self.diff_id)

    def _make_directory(self, run: Run, current: str, new: str) -> None:
        """Make the directory *new* with the mode and the owner of *current*."""
        found = os.stat(current)
        os.mkdir(new)
        os.chmod(new, found.st_mode & 0o7777)
        os.chown(new, found.st_uid, found.st_gid)

    def _replace(self, new: str, current: str) -> None:
        """Let *new* and *current* change places."""
        exchange(new, current)

    def _manifest(self, run: Run) -> contextlib.AbstractContextManager[ManifestWriter | None]:
        """Return the manifest of new content; None for a merge, whose older content no manifest knows."""
        return contextlib.nullcontext() if self.source.merge else new_manifest(run.staging(self.layer.id))

    def _keeps_exact(self, run: Run) -> bool:
        """Tell whether to record the tar exactly."""
        return False

    def commit(self, run: Run) -> None:
        id = self.layer.id
        if self.source.merge:
            after = Record(merged_diff_id=self.diff_id, merged_digest=self.digest)
        else:
            after = Record(diff_id=self.diff_id, digest=self.digest)
        directory = os.path.join(run.home, id)
        new, current = os.path.join(run.staging(id), DIFF), os.path.join(directory, DIFF)
        with undone_if_it_fails() as undo:
            # No digests: the old ones are no longer true, and the new ones are not true yet.
            forget_content(run.home, id, run.staging(id), undo)
            self._replace(new, current)
            undo += [functools.partial(sync_directory, directory), functools.partial(self._replace, new, current)]
            sync_directory(directory)
            undo.append(functools.partial(record_content, run.home, id))
            if not self.source.merge:  # before the record: the next run makes both again if this one ends here
                for name in (MANIFEST, EXACT):
                    if name == MANIFEST or os.path.exists(os.path.join(run.staging(id), name)):
                        os.rename(os.path.join(run.staging(id), name), os.path.join(directory, name))
            record_content(run.home, id, after)

    def told(self) -> dict[str, t.Any]:
        return {"diff_id": self.diff_id, "digest": self.digest}

    def _check(self, name: str, wanted: str | None, found: str) -> None:
        if wanted is not None and wanted != found:
            raise DigestMismatch(
                f"{printable(self.source.path)} has the {name} {found}, not {wanted}",
                hint="get the archive again, or correct what is expected",
                expected=wanted,
                found=found,
            )


class PutBack(ApplyArchive):
    """Put the content of a layer back, which is lost or rotten, from the tar that was applied to it.

    Unpacking takes long, so it happens without the store's lock. The commit needs this lock (Plan.commits_locked): no
    other run mounts a layer meanwhile.
    """

    def __init__(self, layer: LayerState, path: str, settings: Settings, userxattr: bool) -> None:
        super().__init__(layer, Source(path, layer.diff_id, None, False, None), settings, userxattr)

    def describe(self) -> str:
        return f"put the content of layer {self.layer.id} back"

    def told(self) -> dict[str, t.Any]:
        return {}

    def commit(self, run: Run) -> None:
        check_unmounted(Store(run.home), self.layer.id)
        super().commit(run)

    def _keeps_exact(self, run: Run) -> bool:
        return os.path.lexists(f"{run.home}/{self.layer.id}/{EXACT}")

    def _make_directory(self, run: Run, current: str, new: str) -> None:
        if has_content(run.home, self.layer.id):
            super()._make_directory(run, current, new)
            return
        os.mkdir(new)
        os.chmod(new, DIFF_MODE)
        os.chown(new, *run.root)

    def _replace(self, new: str, current: str) -> None:
        for one, other in ((new, current), (current, new)):
            if not os.path.lexists(other):
                rename_noreplace(one, other)
                return
        exchange(new, current)
