#!/bin/sh
# Started by Playwright as the browser: run Chromium in the root filesystem $STRATA_CHROMIUM_ROOT, in a new mount
# namespace. exec keeps the process that Playwright kills at the end, and the descriptors 3 and 4, through which
# Playwright talks to the browser.
set -eu
checkout=$(CDPATH='' cd "$(dirname "$0")/.." && pwd -P)
# The checkout has the same path inside, for the pages, the browser's profile ($TMPDIR) and $HOME, which lie below it.
# shellcheck disable=SC2016 # expanded by the inner shell
exec unshare --mount --propagation private sh -euc '
    root=$1
    mkdir -p "$root$2"
    for directory in /dev /proc /sys "$2"; do
        mount --rbind "$directory" "$root$directory"
    done
    shift 2
    exec chroot "$root" /usr/bin/chromium "$@"
' sh "$STRATA_CHROMIUM_ROOT" "$checkout" "$@"
