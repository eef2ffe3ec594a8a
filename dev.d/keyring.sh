# shellcheck shell=sh
# The keys of Debian's releases. apt on Ubuntu does not trust them by itself, and the package of an older release lacks
# the keys of newer ones. Sourced.

# What mmdebstrap needs beside --keyring if it makes a tar: apt then checks signatures as another user, who may not read
# the keyring in $SHARED.
# shellcheck disable=SC2034 # used by environment.sh and bench.sh
READ_KEYRING='--aptopt=APT::Sandbox::User "root"'

# keyring: print the keyring that all suites are checked with. It comes from Debian trixie, checked with the keyring that
# this machine has. Made once for a machine, in $SHARED.
keyring() {
    made=$SHARED/keyring/debian-$(sha256sum dev.d/keyring.sh | cut -c 1-16).gpg
    mkdir -p "$SHARED/keyring"
    exec 7>"$SHARED/keyring/lock"
    flock 7
    if ! [ -e "$made" ]; then
        packages mmdebstrap debian-archive-keyring
        name=usr/share/keyrings/debian-archive-keyring.gpg
        rm -rf --one-file-system "$SHARED/keyring/new" "$SHARED/keyring/debian-"*
        unshare --mount --propagation private mmdebstrap --quiet --mode=root --variant=extract --format=directory \
            --include=debian-archive-keyring "--keyring=/$name" trixie "$SHARED/keyring/new" >"$CACHE/keyring.log" 2>&1 \
            </dev/null || {
            cat "$CACHE/keyring.log" >&2
            die "cannot get the keys of Debian's releases"
        }
        cp -L "$SHARED/keyring/new/$name" "$made.new"
        mv "$made.new" "$made"
        rm -rf --one-file-system "$SHARED/keyring/new"
    fi
    exec 7>&-
    printf '%s\n' "$made"
}
