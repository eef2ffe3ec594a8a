# shellcheck shell=sh
# ./dev conformance [ARG...]: what real overlayfs does with our layers.
. dev.d/isolate.sh

ready test e2fsprogs xfsprogs mount util-linux zstd
scratch
isolated_pytest conformance tests/conformance "$@"
