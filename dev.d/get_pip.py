# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replacement for get-pip.py, which ansible-test otherwise downloads from a separate host for its environments.

ansible-test uses this file if it lies in its cache, and then needs only a package index.
"""

from __future__ import annotations

import subprocess
import sys

if __name__ == "__main__":
    wanted = [arg for arg in sys.argv[1:] if arg not in ("--no-setuptools", "--no-wheel")]
    # In another process, because ensurepip makes pip forget its configuration, with its certificates and index.
    subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
    sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *wanted]))
