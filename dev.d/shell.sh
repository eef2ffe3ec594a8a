# shellcheck shell=sh
# ./dev shell [COMMAND...]: run a shell, or one command, in the caller's directory, with ansible-core, this collection
# and the collection that roles need.
. dev.d/galaxy.sh

ready run
galaxy
cd "$FROM" || exit
[ $# -gt 0 ] || set -- "${SHELL:-/bin/sh}"
exec "$@"
