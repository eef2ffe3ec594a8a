# shellcheck shell=sh
# ./dev bench [tasks|archives|images|fleet|floor|stores] [ARG...]: the cost of tasks, of moving content and of images, as
# ratios within one run; the cost of a fleet on the controller; where the time goes; what finding the stores of a host costs.
. dev.d/isolate.sh
. dev.d/engines.sh
. dev.d/keyring.sh
. dev.d/moby.sh

case ${1:-} in
tasks | archives | images | fleet | floor | stores) parts=$1 && shift ;;
*) parts='tasks archives images fleet' ;;
esac
ready run xfsprogs mount util-linux attr mmdebstrap debian-archive-keyring
scratch
case $parts in
*archives* | *images*)
    STRATA_ENGINES=$(engines)
    export STRATA_ENGINES
    ;;
esac
case $parts in
*archives*)
    MOBY=$(moby)
    ROOTFS=$SCRATCH/rootfs.tar
    export MOBY ROOTFS
    say 'dev: making a root filesystem of Debian 12 to build packages in'
    mmdebstrap --quiet "--keyring=$(keyring)" "$READ_KEYRING" --variant=buildd --format=tar bookworm "$ROOTFS"
    ;;
esac
case $parts in
stores)
    STRATA_ENGINES=$(engines)
    export STRATA_ENGINES
    ;;
esac
# Ansible compiles the files that it sends, once per task. So compile the peers' Python files too.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPATH="$ROOT/collections" PYTHONPYCACHEPREFIX="$SCRATCH/pycache"
for part in $parts; do
    isolated python "tests/bench/$part.py" "$@"
done
