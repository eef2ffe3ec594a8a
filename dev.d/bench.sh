# shellcheck shell=sh
# ./dev bench [tasks|archives] [ARG...]: what tasks and moving content cost, as ratios within one run.
. dev.d/isolate.sh

ready run xfsprogs mount util-linux
scratch
case ${1:-} in
tasks | archives) parts=$1 && shift ;;
*) parts='tasks archives' ;;
esac
export PYTHONPATH="$ROOT/collections"
for part in $parts; do
    isolated python "tests/bench/$part.py" "$@"
done
