# shellcheck shell=sh
# Debian's Chromium for the tests of the page, in a root filesystem of its own on every machine: the package chromium of
# Ubuntu has no browser, only a way to a snap, and one way for all machines needs no second test. Sourced.

# chromium_root: print the root filesystem that has Chromium and a font. Made once for a machine, in $SHARED.
chromium_root() {
    made=$SHARED/roots/chromium-$(sha256sum dev.d/chromium.sh | cut -c 1-16)
    mkdir -p "$SHARED/roots"
    exec 8>"$SHARED/roots/lock"
    flock 8
    [ -d "$made" ] || make_chromium_root "$made"
    exec 8>&-
    printf '%s\n' "$made"
}

make_chromium_root() {
    say 'dev: making a root filesystem of Debian trixie with Chromium'
    rm -rf --one-file-system "$SHARED/roots/chromium-"* "$SHARED/roots/new"
    keys=$(keyring)
    # In a mount namespace, so that an interrupted run leaves nothing mounted.
    unshare --mount --propagation private mmdebstrap --quiet --mode=root --variant=essential --format=directory \
        "--keyring=$keys" --dpkgopt=force-unsafe-io --include=chromium,fonts-dejavu-core trixie "$SHARED/roots/new" \
        >"$CACHE/root.log" 2>&1 </dev/null || {
        cat "$CACHE/root.log" >&2
        die 'cannot make a root filesystem of Debian trixie with Chromium'
    }
    rm -rf "$SHARED/roots/new/var/cache/apt" "$SHARED/roots/new/var/lib/apt/lists"
    mv "$SHARED/roots/new" "$1"
}
