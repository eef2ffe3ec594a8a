# shellcheck shell=sh
# ./dev crash [--sample[=SEED]] [ARG...]: runs interrupted at every step, or at some, which the seed chooses; many runs at
# once.
. dev.d/isolate.sh

# tests/crash reads it.
export STRATA_CRASH=full
case ${1:-} in
--sample | --sample=*)
    STRATA_CRASH=$(printf '%s' "$1" | cut -s -d= -f2)
    : "${STRATA_CRASH:=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}"
    shift
    say "dev: the same sample again: ./dev crash --sample=$STRATA_CRASH"
    ;;
esac
ready test strace e2fsprogs xfsprogs mount util-linux zstd quota
scratch
isolated_pytest crash tests/crash "$@"
