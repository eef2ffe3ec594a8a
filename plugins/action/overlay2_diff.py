# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send the layer tar of overlay2_diff from the controller, if the target needs the tar."""

from __future__ import annotations

import hashlib
import os
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ..module_utils._errors import harmless

CHUNK = 1 << 20  # bytes


class ActionModule(ActionBase):
    """Asks the module in check mode, by digest, whether anything would change, and only then sends the file.

    The first question uses the digests that the task gives, before the plugin looks for the file. The second uses the
    file's own digest.
    """

    TRANSFERS_FILES = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task, and return its result."""
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        if args.get("state") in (None, "inspected"):
            return _not_a_look()
        if args.get("state") != "applied" or not args.get("src") or boolean(args.get("remote_src", False)):
            return self._module(args, task_vars)
        args["remote_src"] = True
        asked = bool(args.get("diff_id") or args.get("digest"))
        if asked:
            predicted = self._predict(args, task_vars)
            if predicted.get("failed") or not predicted.get("changed"):
                return self._known(predicted, args, task_vars)
        try:
            path = self._loader.get_real_file(self._find_needle("files", args["src"]), decrypt=True)
        except AnsibleError as error:
            raise AnsibleActionFail(harmless(f"cannot send src {args['src']}: {error}")) from error
        try:
            return self._apply(path, args, task_vars, will_change=asked)
        finally:
            self._loader.cleanup_tmp_file(path)

    def _apply(
        self, path: str, args: dict[str, t.Any], task_vars: dict[str, t.Any] | None, *, will_change: bool
    ) -> dict[str, t.Any]:
        """Send the file at *path* and run the module on the target, unless the run would fail or change nothing.

        will_change: the module has already predicted a change.
        """
        found = file_digest(path)
        if args.get("digest") not in (None, found):
            message = harmless(f"{args['src']} has the digest {found}, not {args['digest']}")
            hint = "get the archive again, or correct what is expected"
            return {"failed": True, "error": "digest_mismatch", "msg": message, "hint": hint, "changed": False}
        args["digest"] = found
        if self._task.check_mode or not will_change:  # in check mode the result must contain the file's digest
            predicted = self._predict(args, task_vars)
            if self._task.check_mode or predicted.get("failed") or not predicted.get("changed"):
                return self._known(predicted, args, task_vars)
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        there = self._connection._shell.join_path(self._connection._shell.tmpdir, "layer.tar")
        self._transfer_file(path, there)
        self._fixup_perms2((self._connection._shell.tmpdir, there))
        return self._module({**args, "src": there}, task_vars)

    def _known(
        self, predicted: dict[str, t.Any], args: dict[str, t.Any], task_vars: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        """Return the prediction as the result. With async, run the module, because a job must return the result."""
        if not self._task.async_val:
            return predicted
        if predicted.get("failed"):
            self.cleanup(force=True)  # otherwise the job would clean up
            return predicted
        return self._module(args, task_vars)

    def _predict(self, args: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        predicting = self._task.check_mode
        self._task.check_mode = True
        try:
            result: dict[str, t.Any] = self._execute_module(module_args=args, task_vars=task_vars)
        finally:
            self._task.check_mode = predicting
        return result

    def _module(self, args: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = self._execute_module(
            module_args=args, task_vars=task_vars, wrap_async=self._task.async_val
        )
        return result


def _not_a_look() -> dict[str, t.Any]:
    """Return the failure of a task without state, or with the old state that overlay2_diff_info replaces."""
    return {
        "failed": True,
        "error": "invalid_input",
        "msg": "overlay2_diff needs state applied or exported",
        "hint": "to look at a layer, use strata.overlay2.overlay2_diff_info",
        "changed": False,
    }


def file_digest(path: str) -> str:
    """Return the digest of the file at *path*. Raises OSError."""
    digest = hashlib.sha256()
    with open(os.path.expanduser(path), "rb") as file:
        for piece in iter(lambda: file.read(CHUNK), b""):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}"
