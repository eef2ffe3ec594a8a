# shellcheck shell=sh
# ./dev sanity [ARG...]: run ansible-test's sanity tests, without exceptions.
. dev.d/ansible_test.sh

ready test shellcheck
copy_checkout sanity
# ansible-test's virtual environments are made once per machine, by one run at a time.
HOME=$SHARED/home
mkdir -p "$HOME"
exec 7>"$HOME/lock"
flock 7
trap 'rm -f "$HOME/.config/pip/pip.conf"' EXIT
python dev.d/ansible_test_home.py "$HOME" "$USER_HOME"
cd "$COPY" || exit
ansible-test sanity --python default "$@"
