# shellcheck shell=sh
# ./dev crash [--sample] [ARG...]: runs killed at every step, or at some; many runs at once.
. dev.d/isolate.sh

# tests/crash reads it.
export STRATA_CRASH=full
if [ "${1:-}" = --sample ]; then
    STRATA_CRASH=sample
    shift
fi
ready test e2fsprogs xfsprogs mount util-linux zstd
scratch
isolated_pytest crash tests/crash "$@"
