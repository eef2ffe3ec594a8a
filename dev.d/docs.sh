# shellcheck shell=sh
# ./dev docs [PLUGIN]: the site; or the documentation of one plugin, as ansible-doc shows it.
. dev.d/site.sh

if [ $# -eq 0 ]; then
    ready test
    site
    exit
fi
ready run
case $1 in
-*) exec ansible-doc "$@" strata.overlay2 ;;
*.*) exec ansible-doc "$@" ;;
*) exec ansible-doc "strata.overlay2.$1" ;;
esac
