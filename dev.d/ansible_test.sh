# shellcheck shell=sh
# ansible-test wants to stand in .../ansible_collections/strata/overlay2, and that no symlink: a copy. Sourced.

# copy_checkout NAME: copy what git has, or would take, and set COPY to where. One run at a time has it, until it ends.
copy_checkout() {
    packages git
    mkdir -p "$CACHE/ansible-test"
    exec 8>"$CACHE/ansible-test/$1.lock"
    flock --nonblock 8 || {
        say "dev: waiting for another ./dev $1 in this checkout"
        flock 8
    }
    COPY=$CACHE/ansible-test/$1/ansible_collections/strata/overlay2
    rm -rf "$COPY"
    mkdir -p "$COPY"
    checkout_tar | tar --extract --directory "$COPY"
    git init --quiet "$COPY" # or ansible-test asks the checkout's git, which ignores the copy
    # The configuration it makes itself is all that Ansible may see.
    unset ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH
}
