# shellcheck shell=sh
# ./dev demo [--clean]: what a build host does, twice.

export PIP_CACHE_DIR="$CACHE/pip" # nothing outside the checkout
ready run mmdebstrap debian-archive-keyring mount
case ${1:-} in
--clean) exec ansible-playbook playbooks/quickstart.yml --extra-vars '{"quickstart_clean": true}' ;;
'') ;;
*) die "demo takes --clean, not $1" ;;
esac
ansible-playbook playbooks/quickstart.yml
say "dev: once more: only the job may report changes"
ansible-playbook playbooks/quickstart.yml
