# shellcheck shell=sh
# ./dev examples: run every example of the modules' documentation unchanged, with our ansible-core and the lowest one.
. dev.d/isolate.sh

LOWEST=$CACHE/venv-lowest

# lowest: make an environment with the lowest supported ansible-core.
lowest() {
    stamp=$({
        cat requirements/lowest.txt requirements/constraints.txt
        python -VV
    } | sha256sum | cut -c 1-16)
    [ ! -e "$LOWEST/$stamp" ] || return 0
    say "dev: making .cache/venv-lowest"
    /usr/bin/python3 -m venv --clear "$LOWEST"
    pip_install_in "$LOWEST" -r requirements/lowest.txt
    : >"$LOWEST/$stamp"
}

ready run busybox-static mount util-linux
scratch
lowest
isolated python tests/examples/run.py "$RESULTS/examples.count"
PATH=$LOWEST/bin:$PATH isolated python tests/examples/run.py "$RESULTS/examples-lowest.count"
