# shellcheck shell=sh
# ./dev conformance [ARG...]: test real overlayfs with our layers, and real Docker with our store.
. dev.d/isolate.sh
. dev.d/engines.sh

ready test e2fsprogs xfsprogs mount util-linux zstd libarchive-tools quota
STRATA_ENGINES=$(engines)
export STRATA_ENGINES
scratch
isolated_pytest conformance tests/conformance "$@"
