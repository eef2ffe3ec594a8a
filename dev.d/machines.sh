# shellcheck shell=sh
# Machines with other kernels, by QEMU. Sourced.
. dev.d/keyring.sh

MACHINE_SUITES='bullseye bookworm trixie forky'

# Packages for building and running machines.
# shellcheck disable=SC2034 # used by those who source it
MACHINE_PACKAGES='qemu-system-x86 qemu-utils mmdebstrap debian-archive-keyring openssh-client e2fsprogs util-linux'

# suite_of NAME: fail unless NAME is a suite with machines.
suite_of() {
    case " $MACHINE_SUITES " in
    *" ${1:-} "*) ;;
    *) die "name a suite: $MACHINE_SUITES${1:+, not $1}" ;;
    esac
    [ "$(dpkg --print-architecture)" = amd64 ] || die "machines can only be built on amd64, for amd64"
}

# machine_keys: have what builds a machine know the keys of Debian's releases. Call ready first.
machine_keys() {
    STRATA_KEYRING=$(keyring)
    export STRATA_KEYRING
}
