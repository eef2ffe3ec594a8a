# shellcheck shell=sh
# ./dev test: all tests, fast to slow.
ready test git shellcheck strace e2fsprogs xfsprogs mount util-linux zstd mmdebstrap debian-archive-keyring
exec python dev.d/test.py "$RESULTS"
