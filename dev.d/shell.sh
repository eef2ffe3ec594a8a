# shellcheck shell=sh
# ./dev shell [COMMAND...]: run a shell, or one command, in the tests' environment, with the collections that roles
# need.
. dev.d/galaxy.sh

ready test
galaxy
[ $# -gt 0 ] || set -- "${SHELL:-/bin/sh}"
exec "$@"
