# shellcheck shell=sh
# Run in a machine by ./dev kernels, in a copy of the checkout: SEED. Results go to $RESULTS.
# No Ansible but the part that modules use, in /ansible; pytest and hypothesis are in /site.
set -u
if [ "${2:-}" != isolated ]; then
    # As dev.d/isolate.sh does: no service of the machine sees the mounts of a test.
    # shellcheck disable=SC2016 # expanded by the inner shell
    exec unshare --mount --pid --fork --kill-child --propagation private --mount-proc \
        sh -euc 'mount --make-rshared /; sh "$@" || exit $?; exit 0' sh "$0" "$1" isolated
fi
seed=$1
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 STRATA_CRASH="$seed" STRATA_CRASH_CASES=10 STRATA_SAMPLE=40
failed=0

tests() {
    name=$1
    shift
    echo "dev: $name, $(cut -d' ' -f1 /proc/uptime) s after boot"
    python3 -m pytest -p no:cacheprovider -q --durations=5 --hypothesis-seed="$seed" --junitxml="$RESULTS/$name.xml" \
        "$@" || failed=1
}

export PYTHONPATH=/src:/site
python3 tests/kernels/probe.py /dev/vdb >"$RESULTS/kernel.json.new" || exit 1
mv "$RESULTS/kernel.json.new" "$RESULTS/kernel.json"
tests unit -p ansible_collections.strata.overlay2.tests.kernels.choose tests/unit/plugins/module_utils

# Docker and containers-storage are compared with on the kernel of the host: ./dev conformance.
export PYTHONPATH=/src:/site:/ansible
tests conformance tests/conformance --ignore=tests/conformance/test_docker_store.py \
    --ignore=tests/conformance/test_docker_behaviour.py --ignore=tests/conformance/test_containers_storage.py
tests crash tests/crash/test_interrupted.py
exit "$failed"
