# shellcheck shell=sh
# Machines of other kernels, by QEMU. Sourced.

MACHINE_SUITES='bullseye bookworm trixie forky'

# What building and running them takes.
# shellcheck disable=SC2034 # used by those who source it
MACHINE_PACKAGES='qemu-system-x86 qemu-utils mmdebstrap debian-archive-keyring openssh-client e2fsprogs util-linux'

# suite_of NAME: fail if there are no machines of it.
suite_of() {
    case " $MACHINE_SUITES " in
    *" ${1:-} "*) ;;
    *) die "name a suite: $MACHINE_SUITES${1:+, not $1}" ;;
    esac
    [ "$(dpkg --print-architecture)" = amd64 ] || die "machines are built for amd64, on amd64"
}

machines() {
    python "$ROOT/dev.d/machines" "$@"
}
