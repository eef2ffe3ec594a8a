# shellcheck shell=sh
# ./dev examples: run every example of the modules' documentation unchanged, with our ansible-core, the lowest one, and
# the newest one.
. dev.d/isolate.sh

# core NAME PYTHON PIP_ARG...: make an environment with the ansible-core of requirements/NAME.txt.
core() {
    core=$CACHE/venv-$1
    file=requirements/$1.txt
    python=$2
    shift 2
    stamp=$({
        cat "$file" requirements/constraints.txt
        "$python" -VV
    } | sha256sum | cut -c 1-16)
    [ ! -e "$core/$stamp" ] || return 0
    say "dev: making ${core#"$ROOT"/}"
    "$python" -m venv --clear "$core"
    pip_install_in "$core" "$@" -r "$file"
    : >"$core/$stamp"
}

# newer_python: print a Python that the newest ansible-core runs on.
newer_python() {
    for python in /usr/bin/python3 /usr/bin/python3.1? /usr/local/bin/python3.1? "$USER_HOME"/.pyenv/versions/3.1?.*/bin/python3; do
        if "$python" -c 'import sys, venv; sys.exit(not (3, 12) <= sys.version_info < (3, 15))' 2>/dev/null; then
            printf '%s\n' "$python"
            return
        fi
    done
}

# examples NAME: run the examples in the environment .cache/venv-NAME.
examples() {
    PATH=$CACHE/venv-$1/bin:$PATH isolated python tests/examples/run.py "$RESULTS/examples-$1.count"
}

ready run busybox-static mount util-linux
scratch
isolated python tests/examples/run.py "$RESULTS/examples.count"
core lowest /usr/bin/python3 # without constraints: it needs older packages
examples lowest
newest=$(newer_python)
if [ -n "$newest" ]; then
    core newest "$newest" -c requirements/constraints.txt
    examples newest
else
    say 'dev: not run with the newest ansible-core, because this machine has no Python from 3.12 to 3.14'
    echo '0 0 1' >"$RESULTS/examples-newest.count"
fi
