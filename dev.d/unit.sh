# shellcheck shell=sh
# ./dev unit [PYTHON] [ARG...]: run the unit tests, on targets' Pythons without Ansible, on the controller's with
# Ansible; "ansible": on the controller's only those that need Ansible.
. dev.d/isolate.sh
. dev.d/roots.sh

pythons='3.9 3.14 controller'
case ${1:-} in
3.9 | 3.14 | controller | ansible)
    pythons=$1
    shift
    ;;
esac
ready test e2fsprogs xfsprogs btrfs-progs mount util-linux zstd
scratch

for python in $pythons; do
    say "dev: unit tests on Python $python"
    rm -rf "${SCRATCH:?}"/*
    case $python in
    controller | ansible)
        STRATA_UNIT=$python isolated_pytest "unit-$python" "$@"
        continue
        ;;
    esac
    root=$(root_of "$python")
    in_root "$root" env -i PATH="$PATH" LC_ALL=C.UTF-8 CI="${CI:-}" TERM="${TERM:-dumb}" \
        PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/src:/site HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis \
        python3 -m pytest -p no:cacheprovider --junitxml="/results/unit-$python.xml" "$@"
done
