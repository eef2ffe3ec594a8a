# shellcheck shell=sh
# The engines whose layout we share, from Debian's packages. Unpacked, not installed, so that no daemon starts on this
# machine, and no file of the machine changes. Sourced.

# Podman 5 does not start without netavark, although no test has a network.
ENGINE_PACKAGES='docker.io containers-storage podman netavark buildah skopeo umoci busybox-static'
# Separate packages in some releases.
ENGINE_PARTS='docker-cli docker-buildx'

# engines: print the directory with the unpacked engines. It is made once per machine, in $SHARED.
engines() {
    key=$(cat /etc/os-release dev.d/engines.sh | sha256sum | cut -c 1-16)
    unpacked=$SHARED/engines/$key
    mkdir -p "$SHARED/engines"
    exec 8>"$SHARED/engines/lock"
    flock 8
    [ -d "$unpacked" ] || unpack_engines "$unpacked"
    exec 8>&-
    printf '%s\n' "$unpacked"
}

unpack_engines() {
    say 'dev: unpacking Docker, Podman, Buildah, skopeo, umoci and containers-storage'
    find "$SHARED/engines" -mindepth 1 -maxdepth 1 -type d -exec rm -rf --one-file-system {} +
    mkdir -p "$SHARED/engines/debs/partial" "$SHARED/engines/new"
    { download_engines || { apt_get update && download_engines; }; } >"$CACHE/engines.log" 2>&1 || {
        cat "$CACHE/engines.log" >&2
        die 'cannot download Docker, Podman, Buildah, skopeo, umoci and containers-storage'
    }
    for deb in "$SHARED/engines/debs"/*.deb; do
        dpkg-deb --extract "$deb" "$SHARED/engines/new"
    done
    rm -rf --one-file-system "$SHARED/engines/debs"
    mv "$SHARED/engines/new" "$1"
}

# The packages, and the dependencies that this machine lacks.
download_engines() {
    names=$ENGINE_PACKAGES
    for package in $ENGINE_PARTS; do
        [ -z "$(apt-cache madison "$package")" ] || names="$names $package"
    done
    # shellcheck disable=SC2086 # a list of names
    apt_get install --reinstall --download-only -o "Dir::Cache::archives=$SHARED/engines/debs" $names
}
