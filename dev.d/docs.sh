# shellcheck shell=sh
# ./dev docs [PLUGIN]: build the site, or show the documentation of one plugin with ansible-doc.
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
