# shellcheck shell=sh
# ./dev integration [TARGET|OPTION...]: run targets through Ansible, each in its own namespaces. Options go to
# ansible-test.
. dev.d/isolate.sh
. dev.d/ansible_test.sh
. dev.d/galaxy.sh

targets=
options=
for word; do
    case $word in
    -*) options="$options $word" ;;
    *) targets="$targets $word" ;;
    esac
done
if [ -z "$targets" ]; then
    for directory in tests/integration/targets/*/tasks; do
        target=$(basename "$(dirname "$directory")")
        case $target in
        setup_* | \*) ;; # a target's dependency, not a target
        *) targets="$targets $target" ;;
        esac
    done
fi

ready test busybox-static e2fsprogs fdisk procps systemd-container xfsprogs mount util-linux zstd
galaxy
scratch
copy_checkout integration
# Beside our collection, where Ansible looks for collections.
for name in $GALAXY; do
    mkdir -p "${COPY%/strata/*}/${name%/*}"
    ln -sfn "$ROOT/collections/ansible_collections/$name" "${COPY%/strata/*}/$name"
done
passed=0
failed=
# For the target that installs with pip: ansible-test passes HOME, and no settings of pip.
python dev.d/ansible_test_home.py "$HOME" "$USER_HOME"
cd "$COPY" || exit
for target in $targets; do
    # shellcheck disable=SC2086 # a list of options
    if isolated ansible-test integration --python default --allow-root --allow-destructive $options "$target"; then
        passed=$((passed + 1))
    else
        failed="$failed $target"
    fi
done
rm "$HOME/.config/pip/pip.conf"
# shellcheck disable=SC2086 # a list of names
set -- $failed
echo "$passed $# 0" >"$RESULTS/integration.count"
[ $# -eq 0 ] || die "failed:$failed"
say "dev: $passed targets passed"
