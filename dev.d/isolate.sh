# shellcheck shell=sh
# Run tests so that everything they leave mounted, attached or running disappears with them. Sourced.

# scratch: make the run's directory for temporary files, $SCRATCH, and have it removed at the end. It lies on the
# checkout's filesystem, because /tmp is a tmpfs on some machines, and no test may depend on that.
scratch() {
    mkdir -p "$CACHE/tmp"
    SCRATCH=$(mktemp -d "$CACHE/tmp/XXXXXX")
    trap sweep EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# Detach the loop devices whose image lies in $SCRATCH, then remove $SCRATCH. The inode identifies an image, because its
# path can differ here. The mounts are gone with their namespace, so rm deletes nothing through a mount.
sweep() {
    find "$SCRATCH" -xdev -type f -printf ' %i ' >"$SCRATCH/.inodes"
    losetup --noheadings --raw --output NAME,BACK-MAJ:MIN,BACK-INO | while read -r loop device inode; do
        if [ "$device" = "$(stat -c %Hd:%Ld "$SCRATCH")" ] && grep -qF " $inode " "$SCRATCH/.inodes"; then
            say "dev: detaching $loop, which a test left attached"
            losetup --detach "$loop"
        fi
    done
    rm -rf --one-file-system "$SCRATCH"
}

# isolated COMMAND...: run the command in its own mount and PID namespaces, below a shared mount tree like systemd's.
# The shell stays as process 1 and reaps orphans.
# shellcheck disable=SC2016 # expanded by the inner shell
isolated() {
    namespaces --mount-proc sh -euc 'mount --make-rshared /; "$@" || exit $?; exit 0' sh env "TMPDIR=$SCRATCH" "$@"
}

# isolated_pytest NAME ARG...: run pytest on the controller's Python; the results go to $RESULTS/NAME.xml.
isolated_pytest() {
    name=$1
    shift
    isolated python -m pytest -o cache_dir="$CACHE/pytest" --junitxml="$RESULTS/$name.xml" "$@"
}

namespaces() {
    unshare --mount --pid --fork --kill-child --propagation private "$@"
}
