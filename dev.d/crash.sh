# shellcheck shell=sh
# ./dev crash [--sample[=SEED]] [ARG...]: interrupt runs at every step, or at steps that the seed chooses; run many at
# once. A sample also has power cuts: ./dev power.
. dev.d/isolate.sh

# tests/crash and tests/power read them.
export STRATA_CRASH=full STRATA_POWER=sample
cuts=
case ${1:-} in
--sample | --sample=*)
    STRATA_CRASH=$(printf '%s' "$1" | cut -s -d= -f2)
    : "${STRATA_CRASH:=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}"
    cuts=tests/power
    shift
    say "dev: to repeat this sample: ./dev crash --sample=$STRATA_CRASH"
    ;;
esac
ready test strace e2fsprogs xfsprogs mount util-linux zstd quota ${cuts:+qemu-system-common qemu-utils}
scratch
# shellcheck disable=SC2086 # one directory or none
isolated_pytest crash tests/crash $cuts "$@"
