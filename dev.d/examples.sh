# shellcheck shell=sh
# ./dev examples: every example of the modules' documentation, run as it stands, with our ansible-core and the lowest.
. dev.d/isolate.sh

LOWEST=$CACHE/venv-lowest

# lowest: have an environment with the lowest ansible-core that is supported.
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
