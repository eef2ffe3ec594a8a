# shellcheck shell=sh
# ./dev crash [--sample] [ARG...]: runs killed at every step, or at some.
. dev.d/isolate.sh

# tests/crash reads it.
export STRATA_CRASH=full
if [ "${1:-}" = --sample ]; then
    STRATA_CRASH=sample
    shift
fi
ready test mount util-linux
scratch
isolated_pytest crash tests/crash "$@"
