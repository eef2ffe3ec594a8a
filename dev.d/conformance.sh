# shellcheck shell=sh
# ./dev conformance [ARG...]: what real overlayfs does with our layers, and Docker with our store.
. dev.d/isolate.sh
. dev.d/engines.sh

ready test e2fsprogs xfsprogs mount util-linux zstd libarchive-tools quota
STRATA_ENGINES=$(engines)
export STRATA_ENGINES
scratch
isolated_pytest conformance tests/conformance "$@"
