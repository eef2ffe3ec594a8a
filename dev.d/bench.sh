# shellcheck shell=sh
# ./dev bench [tasks|archives|floor|fleet] [ARG...]: what tasks and moving content cost, as ratios within one run;
# where the time goes; what a fleet costs its controller.
. dev.d/isolate.sh
. dev.d/engines.sh

case ${1:-} in
tasks | archives | floor | fleet) parts=$1 && shift ;;
*) parts='tasks archives fleet' ;;
esac
ready run xfsprogs mount util-linux mmdebstrap debian-archive-keyring
scratch
case $parts in
*archives*)
    STRATA_ENGINES=$(engines)
    ROOTFS=$SCRATCH/rootfs.tar
    export STRATA_ENGINES ROOTFS
    say 'dev: making a root filesystem of Debian 12'
    mmdebstrap --quiet --variant=important --format=tar bookworm "$ROOTFS"
    ;;
esac
# Ansible compiles what it sends, once a task; the peers are compiled as well.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPATH="$ROOT/collections" PYTHONPYCACHEPREFIX="$SCRATCH/pycache"
for part in $parts; do
    isolated python "tests/bench/$part.py" "$@"
done
