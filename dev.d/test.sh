# shellcheck shell=sh
# ./dev test [--all]: all tests, fast to slow; in machines of Debian bookworm, or of all that machines are built of.
. dev.d/machines.sh

case ${1:-} in
'' | --all) ;;
*) die "test takes --all, not $1" ;;
esac
# shellcheck disable=SC2086 # a list of names
ready test git shellcheck strace e2fsprogs xfsprogs mount util-linux zstd mmdebstrap debian-archive-keyring $MACHINE_PACKAGES
exec python dev.d/test.py "$RESULTS" "$@"
