# shellcheck shell=sh
# The lowest and the newest Python of a target, as Debian ships them: root filesystems to run tests in. Sourced.

. dev.d/keyring.sh

# What the unit tests use beside Python.
ROOT_PACKAGES=python3,mount,e2fsprogs,xfsprogs,btrfs-progs,zstd

# root_of PYTHON: print the root filesystem that has this Python, pytest in its /site, and mount points for the rest.
# Made once for a machine, in $SHARED; a change of what goes in makes another.
root_of() {
    case $1 in
    3.9) suite=bullseye ;;
    3.14) suite=forky ;;
    *) die "no root filesystem is known for Python $1" ;;
    esac
    requirements=$ROOT/requirements/target-$1.txt
    key=$(cat "$requirements" "$ROOT/dev.d/roots.sh" | sha256sum | cut -c 1-16)
    made=$SHARED/roots/python$1-$key
    mkdir -p "$SHARED/roots"
    exec 8>"$SHARED/roots/lock"
    flock 8
    [ -d "$made" ] || make_root "$1" "$suite" "$made"
    exec 8>&-
    printf '%s\n' "$made"
}

make_root() {
    say "dev: making a root filesystem of Debian $2 with Python $1"
    rm -rf --one-file-system "$SHARED/roots/python$1-"* "$SHARED/roots/new"
    keys=$(keyring)
    fill_root "$@" "$SHARED/roots/new" >"$CACHE/root.log" 2>&1 </dev/null || {
        cat "$CACHE/root.log" >&2
        die "cannot make a root filesystem of Debian $2"
    }
    mv "$SHARED/roots/new" "$3"
}

fill_root() {
    # In a mount namespace, so that an interrupted run leaves nothing mounted. forky is not released, so its index may
    # be older than it says it can be.
    unshare --mount --propagation private mmdebstrap --quiet --mode=root --variant=essential --format=directory \
        "--keyring=$keys" --include="$ROOT_PACKAGES" --aptopt='Acquire::Check-Valid-Until "false"' "$2" "$4" || return
    HOME=$USER_HOME "$VENV/bin/python" -m pip --disable-pip-version-check --quiet install --no-deps --no-compile \
        --target "$4/site" --python-version "$1" --only-binary=:all: -r "$requirements" || return
    chroot "$4" python3 -m compileall -q /site || return
    rm -rf "$4/var/cache/apt" "$4/var/lib/apt/lists"
    mkdir -p "$4/src/ansible_collections/strata/overlay2" "$4/results"
}

# in_root DIR COMMAND...: run it as isolated does, with DIR as its whole world: read-only, but for /tmp (on the
# checkout's filesystem), /run and /results. The checkout is the collection below /src.
in_root() {
    namespaces sh -eu "$ROOT/dev.d/pivot.sh" "$1" "$ROOT" "$SCRATCH" "$RESULTS" "$@"
}
