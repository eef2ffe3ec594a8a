# shellcheck shell=sh
# ./dev demo [--clean]: what a build host does, twice. ROOTFS=path: the tar for its base layer.

export PIP_CACHE_DIR="$CACHE/pip" # nothing outside the checkout
case ${1:-} in
--clean)
    ready run
    exec ansible-playbook playbooks/quickstart.yml --extra-vars '{"quickstart_clean": true}'
    ;;
'') ;;
*) die "demo takes --clean, not $1" ;;
esac
case ${ROOTFS:-/} in
/*) ;;
*) export ROOTFS="$FROM/$ROOTFS" ;;
esac
[ -z "${ROOTFS:-}" ] || [ -f "$ROOTFS" ] || die "there is no file $ROOTFS; without ROOTFS a root filesystem is made"
ready run mmdebstrap debian-archive-keyring mount
ansible-playbook playbooks/quickstart.yml
say "dev: once more: only the job may report changes"
ansible-playbook playbooks/quickstart.yml
