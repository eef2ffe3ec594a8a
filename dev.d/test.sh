# shellcheck shell=sh
# ./dev test [--all]: run all tests, fast to slow; in machines of Debian bookworm, or with --all of every suite.
. dev.d/machines.sh

case ${1:-} in
'' | --all) ;;
*) die "test accepts --all, not $1" ;;
esac
# shellcheck disable=SC2086 # a list of names
ready test git shellcheck strace e2fsprogs xfsprogs mount util-linux zstd mmdebstrap debian-archive-keyring $MACHINE_PACKAGES
exec python dev.d/test.py "$RESULTS" "$@"
