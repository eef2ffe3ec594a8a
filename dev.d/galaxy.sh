# shellcheck shell=sh
# The collection that roles need, from a package of PyPI, so that nothing needs Galaxy. Sourced.

GALAXY=ansible/posix

# galaxy: put this collection beside our own in collections/. Call ready first.
galaxy() {
    stamp=$CACHE/galaxy-$(cat requirements/galaxy.txt dev.d/galaxy.sh | sha256sum | cut -c 1-16)
    [ ! -e "$stamp" ] || return 0
    exec 8>"$CACHE/galaxy.lock"
    flock 8
    if [ ! -e "$stamp" ]; then
        say 'dev: unpacking the collection that roles need'
        rm -rf "$CACHE/galaxy"
        mkdir "$CACHE/galaxy"
        HOME=$USER_HOME "$VENV/bin/python" -m pip --disable-pip-version-check --quiet download --no-deps \
            --ignore-requires-python --only-binary=:all: --dest "$CACHE/galaxy" -r requirements/galaxy.txt \
            >"$CACHE/galaxy.log" 2>&1 </dev/null || {
            cat "$CACHE/galaxy.log" >&2
            die 'cannot download the collection that roles need'
        }
        "$VENV/bin/python" -m zipfile -e "$CACHE"/galaxy/*.whl "$CACHE/galaxy"
        for name in $GALAXY; do
            rm -rf "collections/ansible_collections/$name"
            mkdir -p "collections/ansible_collections/${name%/*}"
            mv "$CACHE/galaxy/ansible_collections/$name" "collections/ansible_collections/$name"
        done
        rm -rf "$CACHE/galaxy"
        : >"$stamp"
    fi
    exec 8>&-
}
