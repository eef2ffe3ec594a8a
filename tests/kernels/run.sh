# shellcheck shell=sh
# Run in a machine by ./dev kernels, in a copy of the checkout: SEED all|few. Results go to $RESULTS.
# No Ansible but the part that modules use, in /ansible; pytest and hypothesis are in /site.
set -u
if [ "${3:-}" != isolated ]; then
    # As dev.d/isolate.sh does: no service of the machine sees the mounts of a test.
    # shellcheck disable=SC2016 # expanded by the inner shell
    exec unshare --mount --pid --fork --kill-child --propagation private --mount-proc \
        sh -euc 'mount --make-rshared /; sh "$@" || exit $?; exit 0' sh "$0" "$1" "$2" isolated
fi
seed=$1
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 STRATA_CRASH="$seed"
case $2 in
few) sample=12 STRATA_CRASH_CASES=3 ;; # these tests run on the kernel of the tests' own machine, too
*) sample=30 STRATA_CRASH_CASES=7 ;;
esac
export STRATA_CRASH_CASES
failed=0

# tests NAME SAMPLE ARG...: pytest; of what mounts no filesystem of its own, SAMPLE tests. Each has a directory of its own
# for temporary files, because pytest fails when it deletes those of an earlier run with many directories in each other.
tests() {
    name=$1
    export STRATA_SAMPLE="$2"
    shift 2
    echo "dev: $name, $(cut -d' ' -f1 /proc/uptime) s after boot"
    python3 -m pytest --basetemp="/tmp/$name" -p no:cacheprovider -p ansible_collections.strata.overlay2.tests.kernels.choose -q --durations=3 \
        --hypothesis-seed="$seed" --junitxml="$RESULTS/$name.xml" "$@" || failed=1
}

export PYTHONPATH=/src:/site
python3 tests/kernels/probe.py /dev/vdb >"$RESULTS/kernel.json.new" || exit 1
mv "$RESULTS/kernel.json.new" "$RESULTS/kernel.json"
# Only the files that are about filesystems, and need no Ansible: reading the others takes longer than these tests do.
# Without those that make 65,000 names of a file: no kernel changes that limit, and translated code takes minutes.
# shellcheck disable=SC2046 # a list of names
tests unit "$sample" -k 'not many_names' $(grep --recursive --files-with-matches --include='test_*.py' --exclude-dir=_module loop_filesystem tests/unit)

# The engines are compared with, and memory and large layers are measured, on the kernel of the host: ./dev conformance.
export PYTHONPATH=/src:/site:/ansible
# shellcheck disable=SC2046 # a list of options
tests conformance "$sample" tests/conformance -k 'not memory' --ignore=tests/conformance/test_docker_behaviour.py \
    --ignore=tests/conformance/test_large_layers.py \
    $(grep --files-with-matches -E 'tests import engines|tests[.](engines|containerd) import' tests/conformance/test_*.py |
        sed 's/^/--ignore=/')
# Some steps of seven runs, at which these are interrupted.
tests crash all tests/crash/test_interrupted.py
[ ! -e tests/crash/test_limits.py ] || STRATA_CRASH_CASES=2 tests limits all tests/crash/test_limits.py
exit "$failed"
