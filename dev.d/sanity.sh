# shellcheck shell=sh
# ./dev sanity [ARG...]: ansible-test's sanity tests, with no exceptions listed.
. dev.d/ansible_test.sh

ready test shellcheck
copy_checkout sanity
# Its virtual environments are made once for a machine, by one run at a time.
HOME=$SHARED/home
mkdir -p "$HOME"
exec 7>"$HOME/lock"
flock 7
trap 'rm -f "$HOME/.config/pip/pip.conf"' EXIT
python dev.d/ansible_test_home.py "$HOME" "$USER_HOME"
cd "$COPY" || exit
ansible-test sanity --python default "$@"
