# shellcheck shell=sh
# ./dev bench [tasks|archives|fleet] [ARG...]: what tasks and moving content cost, as ratios within one run; what a
# fleet costs its controller.
. dev.d/isolate.sh

ready run xfsprogs mount util-linux
scratch
case ${1:-} in
tasks | archives | fleet) parts=$1 && shift ;;
*) parts='tasks archives fleet' ;;
esac
# Ansible compiles what it sends, once a task; the peers are compiled as well.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPATH="$ROOT/collections" PYTHONPYCACHEPREFIX="$SCRATCH/pycache"
for part in $parts; do
    isolated python "tests/bench/$part.py" "$@"
done
