# shellcheck shell=sh
# ./dev power [--full] [SEED] [ARG...]: cut the power at every write of a recorded device; ARGs go to pytest.
. dev.d/isolate.sh

# tests/power reads them.
export STRATA_POWER=usual
if [ "${1:-}" = --full ]; then
    STRATA_POWER=full
    shift
fi
case ${1:-} in
'' | *[!0-9]*) STRATA_CRASH=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ') ;;
*)
    STRATA_CRASH=$1
    shift
    ;;
esac
export STRATA_CRASH
say "dev: the seed is $STRATA_CRASH"
ready test e2fsprogs xfsprogs mount util-linux zstd qemu-system-common qemu-utils
scratch
isolated_pytest power tests/power "$@"
