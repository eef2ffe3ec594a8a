# shellcheck shell=sh
# Docker's own unpacking and packing, built from Debian's packages, for ./dev bench archives. Nothing is installed: the
# compiler and the library lie in $SHARED until the program is built. Sourced.

# moby: print the program of tests/bench/moby. It is built once per machine.
moby() {
    key=$(cat /etc/os-release dev.d/moby.sh tests/bench/moby/main.go | sha256sum | cut -c 1-16)
    built=$SHARED/moby/$key
    [ -x "$built" ] || build_moby "$built" >&2
    printf '%s\n' "$built"
}

build_moby() {
    say 'dev: building a program from the library of Docker'
    rm -rf --one-file-system "$SHARED/moby"
    mkdir -p "$SHARED/moby/debs/partial" "$SHARED/moby/root"
    { download_moby || { apt_get update && download_moby; }; } >"$CACHE/moby.log" 2>&1 || {
        cat "$CACHE/moby.log" >&2
        die 'cannot download the Go compiler and the library of Docker'
    }
    for deb in "$SHARED"/moby/debs/golang*.deb; do
        dpkg-deb --extract "$deb" "$SHARED/moby/root"
    done
    set -- "$1" "$SHARED"/moby/root/usr/lib/go-*/bin/go
    # Without cgo, so that no C library has to be there.
    env HOME="$HOME" GOROOT="$(readlink -f "${2%/bin/go}")" GOPATH="$SHARED/moby/root/usr/share/gocode:/usr/share/gocode" \
        GOCACHE="$SHARED/moby/cache" GO111MODULE=off CGO_ENABLED=0 \
        "$2" build -o "$SHARED/moby/new" tests/bench/moby/main.go
    rm -rf --one-file-system "$SHARED/moby/debs" "$SHARED/moby/root" "$SHARED/moby/cache"
    mv "$SHARED/moby/new" "$1"
}

download_moby() {
    apt_get install --reinstall --download-only -o "Dir::Cache::archives=$SHARED/moby/debs" \
        golang-go golang-github-docker-docker-dev
}
