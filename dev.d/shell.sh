# shellcheck shell=sh
# ./dev shell [COMMAND...]: a shell, or one command, in the tests' environment.
ready test
[ $# -gt 0 ] || set -- "${SHELL:-/bin/sh}"
exec "$@"
