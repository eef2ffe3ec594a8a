# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send what a target lacks of the image of overlay2_image from the controller."""

from __future__ import annotations

import fcntl
import hashlib
import os
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ..module_utils._errors import Overlay2Error, harmless, printable
from ..module_utils._image.archive import read_image, read_images
from ..module_utils._image.delta import size_of_layers, write_delta
from ..module_utils._image.files import Files
from ..module_utils._image.image import Image, check_expected, check_whole
from ..module_utils._image.platforms import parse_platform
from ..module_utils._image.source import open_files

_INFO = "strata.overlay2.overlay2_image_info"
_PINS = ("image_id", "manifest_digest", "chain_id")
_NOT_THERE = "layer_not_found"  # the module's error for an image that the store lacks, without src
Result = dict[str, t.Any]


class _TargetFailed(Exception):
    """A module failed on the target. result: of the module."""

    def __init__(self, result: Result) -> None:
        super().__init__()
        self.result = result


class ActionModule(ActionBase):
    """Reads the archive on the controller, and asks the target what it has, before anything is sent.

    An image that is there costs one question. Otherwise the target tells which layers it has, and gets the documents of
    the image with the other layers.
    """

    TRANSFERS_FILES = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """Run the task, and return its result."""
        super().run(tmp, task_vars)
        self._vars = task_vars
        args = dict(self._task.args)
        if not args.get("src") or boolean(args.get("remote_src", False)) or args.get("state", "present") != "present":
            return self._module(args)
        src = args.pop("src")
        args["remote_src"] = True
        try:
            known = self._known(args) if any(args.get(pin) for pin in _PINS) else None
            return known or self._with_archive(src, args)
        except _TargetFailed as failure:
            result = failure.result
        except Overlay2Error as error:
            told = {"error": error.code, "msg": str(error), "hint": error.hint, **error.details}
            result = {"failed": True, "changed": False, "actions": [], **told}
        if self._task.async_val:
            self.cleanup(force=True)  # otherwise a job would clean up
        return result

    def _with_archive(self, src: str, args: Result) -> Result:
        """Have the image in the file or directory *src* of the controller. Raises _TargetFailed, Overlay2Error."""
        try:
            path = self._find_needle("files", src)
            if not os.path.isdir(path):
                path = self._loader.get_real_file(path, decrypt=True)
        except AnsibleError as error:
            raise AnsibleActionFail(harmless(f"cannot read src {src}: {error}")) from error
        try:
            with open_files(path) as files:
                return self._present(files, path, args)
        except OSError as error:
            raise AnsibleActionFail(harmless(f"cannot send src {src}: {error}")) from error
        finally:
            self._loader.cleanup_tmp_file(path)

    def _present(self, files: Files, path: str, args: Result) -> Result:
        image = self._image(files, args)
        check_expected(image, path, args)
        own = {"image_id": image.image_id, "chain_id": image.chain_ids[-1]}
        known = self._known({**args, **own}, {printable(name) for name in image.names})
        if known:
            return known
        answer = self._ask(image.chain_ids, args)
        if not args.get("platform"):  # whether the image is for the target
            read_image(files, args.get("image"), parse_platform(answer["platform"]))
        lacking = [layer for layer in image.layers if layer.chain_id not in answer["present"]]
        check_whole(lacking)
        chains = tuple(layer.chain_id for layer in lacking)
        args.pop("image", None)  # the archive that is sent holds one image
        checking = self._task.check_mode
        delta = _delta(files, path, image, () if checking else chains)
        result = self._module({**args, "src": self._send(delta), "layers_follow": checking})
        if not self._task.async_val:
            result["sent_bytes"] = os.path.getsize(delta) + (size_of_layers(image, chains) if checking else 0)
        return result

    def _image(self, files: Files, args: Result) -> Image:
        """Return the image to have. Only if the archive has it for several platforms, ask the target for its own."""
        wanted, name = args.get("platform"), args.get("image")
        if not wanted:
            found, _more = read_images(files, name, None, 2)
            if len(found) == 1:
                return found[0]
            wanted = self._ask((), args)["platform"]
        return read_image(files, name, parse_platform(wanted))

    def _ask(self, chains: t.Sequence[str], args: Result) -> Result:
        """Return which of the chain ids the target has, and its platform. Raises _TargetFailed."""
        home = {"home": args["home"]} if args.get("home") else {}
        asked = {**home, "chain_ids": list(chains)}
        answer: Result = self._execute_module(_INFO, asked, task_vars=self._vars)
        if answer.get("failed"):
            raise _TargetFailed(answer)
        return answer

    def _known(self, args: Result, names: t.Collection[str] = ()) -> Result | None:
        """Return the result for an image that the target has, by its digests; None if the target lacks it.

        names: the image must have these. raises: _TargetFailed.
        """
        predicting = self._task.check_mode
        self._task.check_mode = True
        try:
            known: Result = self._execute_module(module_args=args, task_vars=self._vars)
        finally:
            self._task.check_mode = predicting
        if known.get("failed") and known.get("error") != _NOT_THERE:
            raise _TargetFailed(known)
        if known.get("failed") or not set(names) <= set(known["names"]):
            return None
        if self._task.async_val or (known.get("changed") and not predicting):
            known = self._module(args)
        return known if self._task.async_val else {**known, "sent_bytes": 0}

    def _send(self, path: str) -> str:
        """Copy a file to the target, and return its path there."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        there: str = self._connection._shell.join_path(self._connection._shell.tmpdir, "image.tar")
        self._transfer_file(path, there)
        self._fixup_perms2((self._connection._shell.tmpdir, there))
        return there

    def _module(self, args: Result) -> Result:
        result: Result = self._execute_module(module_args=args, task_vars=self._vars, wrap_async=self._task.async_val)
        return result


def _delta(files: Files, path: str, image: Image, layers: t.Sequence[str]) -> str:
    """Return the path of an archive of the image with some of its layers, which the hosts of the run share.

    The first worker that needs the archive writes it, while others wait. The end of the run removes it.

    path: of the whole archive. layers: chain ids. raises: ArchiveRejected, OSError.
    """
    found = os.stat(path)
    key = (os.path.realpath(path), found.st_mtime_ns, found.st_size, image.image_id, image.names, layers)
    name = f"overlay2-{hashlib.sha256(repr(key).encode('utf-8', 'surrogatepass')).hexdigest()}.tar"
    delta = os.path.join(constants.DEFAULT_LOCAL_TMP, name)
    with open(f"{delta}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(delta):
            with open(f"{delta}.new", "wb") as file:
                write_delta(files, image, layers, file.write)
            os.rename(file.name, delta)
    return delta
