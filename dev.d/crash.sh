# shellcheck shell=sh
# ./dev crash [--sample[=SEED]] [ARG...]: interrupt runs at every step, or at steps that the seed chooses; run many at
# once.
. dev.d/isolate.sh

# tests/crash reads it.
export STRATA_CRASH=full
case ${1:-} in
--sample | --sample=*)
    STRATA_CRASH=$(printf '%s' "$1" | cut -s -d= -f2)
    : "${STRATA_CRASH:=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}"
    shift
    say "dev: to repeat this sample: ./dev crash --sample=$STRATA_CRASH"
    ;;
esac
ready test strace e2fsprogs xfsprogs mount util-linux zstd quota
scratch
isolated_pytest crash tests/crash "$@"
