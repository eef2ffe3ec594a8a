# shellcheck shell=sh
# ansible-test must run in .../ansible_collections/strata/overlay2, and not through a symlink, so it runs in a copy.
# Sourced.

# copy_checkout NAME: copy the files that git has or would add, and set COPY to the copy's path. One run at a time holds
# the copy, until the run ends.
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
    git init --quiet "$COPY" # otherwise ansible-test asks the checkout's git, which ignores the copy
    # Ansible may see only the configuration that ansible-test makes.
    unset ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH
}
