# shellcheck shell=sh
# ./dev docs PLUGIN: the documentation users see.
ready run
[ $# -gt 0 ] || set -- --list
case $1 in
-*) exec ansible-doc "$@" strata.overlay2 ;;
*.*) exec ansible-doc "$@" ;;
*) exec ansible-doc "strata.overlay2.$1" ;;
esac
