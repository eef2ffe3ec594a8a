# shellcheck shell=sh
# ./dev environment: build the execution environment on a base image of Debian that is made here, and run a play in it.
. dev.d/isolate.sh
. dev.d/engines.sh
. dev.d/keyring.sh

# base_image: print the tar of a minimal Debian with apt. Made once for a machine, in $SHARED.
base_image() {
    key=$(sha256sum dev.d/environment.sh | cut -c 1-16)
    made=$SHARED/roots/environment-$key.tar
    mkdir -p "$SHARED/roots"
    exec 8>"$SHARED/roots/lock"
    flock 8
    if ! [ -e "$made" ]; then
        say 'dev: making a base image of Debian trixie'
        keys=$(keyring)
        rm -f "$SHARED/roots/environment-"*
        unshare --mount --propagation private mmdebstrap --quiet --mode=root --variant=apt --format=tar \
            "--keyring=$keys" "$READ_KEYRING" --dpkgopt=force-unsafe-io --include=ca-certificates trixie "$made.new" >"$CACHE/root.log" 2>&1 </dev/null || {
            cat "$CACHE/root.log" >&2
            die 'cannot make a base image of Debian trixie'
        }
        mv "$made.new" "$made"
    fi
    exec 8>&-
    printf '%s\n' "$made"
}

# builder: make the virtual environment of ansible-builder, which shares no version with the tests' tools.
builder() {
    made=$CACHE/venv-builder
    stamp=$(sha256sum requirements/builder.txt | cut -c 1-16)
    [ ! -e "$made/$stamp" ] || return 0
    say 'dev: making .cache/venv-builder'
    /usr/bin/python3 -m venv --clear "$made"
    pip_install_in "$made" -r requirements/builder.txt
    : >"$made/$stamp"
}

ready run mmdebstrap debian-archive-keyring ca-certificates
builder
unpacked=$(engines)
base=$(base_image)
scratch
# The definition names the tarball by its place in the checkout.
mkdir -p "$SCRATCH/.cache"
cp execution-environment.yml "$SCRATCH"
ansible-galaxy collection build --output-path "$SCRATCH/.cache/build" >"$CACHE/build.log"
(cd "$SCRATCH" && "$CACHE/venv-builder/bin/ansible-builder" create --output-filename Containerfile) \
    >"$CACHE/builder.log"
# The build asks the same index as pip does here.
index=$(HOME=$USER_HOME python -m pip config get global.index-url 2>/dev/null) || index=${PIP_INDEX_URL-}
version=$(sed -n 's/^version: *//p' galaxy.yml)
isolated sh -eu dev.d/environment_inside.sh "$unpacked" "$base" "$SCRATCH" "$version" "$index" ||
    die 'the execution environment does not work'
say 'dev: the execution environment was built, and a play ran in it'
