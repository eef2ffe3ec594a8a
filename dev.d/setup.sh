# shellcheck shell=sh
# Shared by all commands: packages, the virtual environment, Ansible's environment. Sourced by ../dev.

# Files that outlive the checkout and that all checkouts share: root filesystems, ansible-test's environments. The demo
# uses none, because it writes nothing outside the checkout.
: "${HOME:=/root}"
USER_HOME=${STRATA_USER_HOME:-$HOME} # set when ./dev runs within ./dev
# shellcheck disable=SC2034 # used by roots.sh, sanity.sh
SHARED=${XDG_CACHE_HOME:-$USER_HOME/.cache}/strata-overlay2
# shellcheck disable=SC2034 # where test stages count, for test.py
: "${RESULTS:=$CACHE/results}"
VENV=$CACHE/venv

# packages NAME...: install these Debian packages if they are missing.
packages() {
    missing=
    for package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || die "this machine has no apt-get: install$missing yourself"
    say "dev: installing$missing"
    # shellcheck disable=SC2086 # a list of names
    apt_get install $missing >"$CACHE/apt.log" 2>&1 || {
        # A fresh machine has no package lists, and an old machine's lists name files that are gone.
        apt_get update >>"$CACHE/apt.log" 2>&1 && apt_get install $missing >>"$CACHE/apt.log" 2>&1
    } || {
        cat "$CACHE/apt.log" >&2
        die "cannot install$missing"
    }
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 --no-install-recommends "$@" </dev/null
}

# venv run|test: make the virtual environment, with ansible-core alone or with all tools of the tests.
venv() {
    packages python3 python3-venv
    python3=/usr/bin/python3
    "$python3" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "the controller needs Python 3.11 or newer, which Debian 12 and Ubuntu 24.04 have"
    stamp=$({
        cat requirements/run.txt requirements/test.txt requirements/constraints.txt
        "$python3" -VV
        echo "$VENV"
    } | sha256sum | cut -c 1-16)
    if ! [ -e "$VENV/$stamp.run" ]; then
        say "dev: making .cache/venv"
        "$python3" -m venv --clear "$VENV"
        pip_install -r requirements/run.txt
        : >"$VENV/$stamp.run"
    fi
    if [ "$1" = test ] && ! [ -e "$VENV/$stamp.test" ]; then
        say "dev: installing the tests' tools in .cache/venv"
        pip_install -r requirements/test.txt
        : >"$VENV/$stamp.test"
    fi
}

pip_install() {
    pip_install_in "$VENV" -c requirements/constraints.txt "$@"
}

# pip_install_in VENV ARG...
pip_install_in() {
    venv=$1
    shift
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet install "$@" \
        >"$CACHE/pip.log" 2>&1 </dev/null || {
        cat "$CACHE/pip.log" >&2
        die "cannot install with pip $*"
    }
}

# ready run|test PACKAGE...: make the whole environment of a command.
ready() {
    mkdir -p "$CACHE" collections/ansible_collections/strata
    # Only one run of a checkout may make the environment at a time.
    exec 9>"$CACHE/setup.lock"
    flock 9
    what=$1
    shift
    packages "$@"
    venv "$what"
    ln -sfn ../../.. collections/ansible_collections/strata/overlay2
    exec 9>&-
    PATH=$VENV/bin:$PATH
    HOME=$CACHE/home # Ansible keeps files in ~ that no setting moves
    ANSIBLE_HOME=$CACHE/ansible
    ANSIBLE_REMOTE_TMP=$ANSIBLE_HOME/tmp
    ANSIBLE_CONFIG=$ROOT/ansible.cfg
    ANSIBLE_COLLECTIONS_PATH=$ROOT/collections
    STRATA_USER_HOME=$USER_HOME
    mkdir -p "$HOME" "$RESULTS"
    [ -t 1 ] || export NO_COLOR=1
    export STRATA_USER_HOME PATH HOME ANSIBLE_HOME ANSIBLE_REMOTE_TMP ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH
    # Tools must leave no files among the sources.
    export PYTHONDONTWRITEBYTECODE=1 RUFF_CACHE_DIR="$CACHE/ruff" MYPY_CACHE_DIR="$CACHE/mypy"
    export HYPOTHESIS_STORAGE_DIRECTORY="$CACHE/hypothesis"
}

# checkout_tar: write a tar of the files that git has or would add. Needs git.
checkout_tar() {
    # git can list a deleted file, and the checkout can belong to another user.
    git -c safe.directory='*' ls-files -z --cached --others --exclude-standard |
        tar --create --null --files-from=- --ignore-failed-read --warning=no-failed-read
}
