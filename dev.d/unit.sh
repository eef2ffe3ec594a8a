# shellcheck shell=sh
# ./dev unit [PYTHON] [ARG...]: run the unit tests, on targets' Pythons without Ansible, on the controller's with
# Ansible.
. dev.d/isolate.sh
. dev.d/roots.sh

pythons='3.9 3.14 controller'
case ${1:-} in
3.9 | 3.14 | controller)
    pythons=$1
    shift
    ;;
esac
ready test e2fsprogs xfsprogs btrfs-progs mount util-linux zstd
scratch

for python in $pythons; do
    say "dev: unit tests on Python $python"
    rm -rf "${SCRATCH:?}"/*
    if [ "$python" = controller ]; then
        isolated_pytest unit-controller "$@"
        continue
    fi
    root=$(root_of "$python")
    in_root "$root" env -i PATH="$PATH" LC_ALL=C.UTF-8 CI="${CI:-}" TERM="${TERM:-dumb}" \
        PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/src:/site HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis \
        python3 -m pytest -p no:cacheprovider --junitxml="/results/unit-$python.xml" "$@"
done
