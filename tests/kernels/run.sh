# shellcheck shell=sh
# Run in a machine by ./dev kernels, in a copy of the checkout: SEED. Results go to $RESULTS.
# No Ansible but the part that modules use; pytest and hypothesis are in /site.
set -u
seed=$1
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 STRATA_CRASH="$seed" STRATA_CRASH_CASES=10
failed=0

# On a filesystem of its own, as Docker's is: the machine's own root is none that the tests may fill.
tests() {
    name=$1
    shift
    python3 -m pytest -p no:cacheprovider -q --hypothesis-seed="$seed" --junitxml="$RESULTS/$name.xml" "$@" || failed=1
}

PYTHONPATH=/src:/site python3 tests/kernels/probe.py /dev/vdb >"$RESULTS/kernel.json.new" &&
    mv "$RESULTS/kernel.json.new" "$RESULTS/kernel.json" || exit 1

# What asks the kernel; the rest of the unit tests is the same on every kernel, and has run on this machine's.
export PYTHONPATH=/src:/site
tests unit tests/unit/plugins/module_utils/_linux tests/unit/plugins/module_utils/_driver

# Docker and containers-storage are compared with on the kernel of this machine: ./dev conformance.
export PYTHONPATH=/src:/site:/ansible
tests conformance tests/conformance --ignore=tests/conformance/test_docker_store.py \
    --ignore=tests/conformance/test_docker_behaviour.py --ignore=tests/conformance/test_containers_storage.py
tests crash tests/crash/test_interrupted.py
exit "$failed"
