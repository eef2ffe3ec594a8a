# shellcheck shell=sh
# ./dev molecule SUITE[,SUITE...] [SCENARIO...]: run scenarios of extensions/molecule, each on its own machines, one of
# each suite, with the tarball that users install.
. dev.d/isolate.sh
. dev.d/machines.sh
. dev.d/galaxy.sh

[ -n "${1:-}" ] || suite_of
for suite in $(printf '%s' "$1" | tr , ' '); do
    suite_of "$suite"
done
given=$1
shift
if [ $# -eq 0 ]; then
    for file in extensions/molecule/*/molecule.yml; do
        set -- "$@" "$(basename "$(dirname "$file")")"
    done
fi
# shellcheck disable=SC2086 # a list of names
ready test git $MACHINE_PACKAGES
galaxy
machine_keys
scratch
ansible-galaxy collection build --output-path "$SCRATCH/build" >/dev/null
# ansible-galaxy would install nothing if it saw the checkout's collections.
ANSIBLE_COLLECTIONS_PATH=$SCRATCH/collections ansible-galaxy collection install --offline --no-deps --force \
    --collections-path "$SCRATCH/collections" "$SCRATCH"/build/*.tar.gz >/dev/null
[ -d "$SCRATCH/collections/ansible_collections/strata/overlay2/plugins" ] || die 'the tarball was not installed'
export STRATA_COLLECTIONS="$SCRATCH/collections:$ROOT/collections" ANSIBLE_COLLECTIONS_PATH="$SCRATCH/collections:$ROOT/collections"
failed=
for scenario; do
    [ -f "extensions/molecule/$scenario/molecule.yml" ] || die "extensions/molecule has no scenario $scenario"
    mkdir "$SCRATCH/$scenario"
    isolated python dev.d/molecule.py "$given" "$scenario" "$SCRATCH/$scenario" \
        "$RESULTS/molecule-$given-$scenario" || failed="$failed $scenario"
done
[ -z "$failed" ] || die "failed on $given:$failed"
