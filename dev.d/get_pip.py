# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the get-pip.py that ansible-test downloads, from a host of its own, for its environments.

Lying in ansible-test's cache it is taken instead, so that a package index is all that ansible-test needs.
"""

from __future__ import annotations

import subprocess
import sys

if __name__ == "__main__":
    wanted = [arg for arg in sys.argv[1:] if arg not in ("--no-setuptools", "--no-wheel")]
    # In a process of its own: ensurepip makes pip forget its configuration, certificates and index with it.
    subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
    sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *wanted]))
