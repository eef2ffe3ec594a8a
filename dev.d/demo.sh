# shellcheck shell=sh
# ./dev demo [--clean]: run the work of a build host twice. ROOTFS=path: the tar for the base layer.

export PIP_CACHE_DIR="$CACHE/pip" # so that pip writes nothing outside the checkout
case ${1:-} in
--clean)
    ready run
    exec ansible-playbook playbooks/quickstart.yml --extra-vars '{"quickstart_clean": true}'
    ;;
'') ;;
*) die "demo accepts --clean, not $1" ;;
esac
case ${ROOTFS:-/} in
/*) ;;
*) export ROOTFS="$FROM/$ROOTFS" ;;
esac
[ -z "${ROOTFS:-}" ] || [ -f "$ROOTFS" ] || die "ROOTFS $ROOTFS is not a file; leave ROOTFS out to make one"
ready run mmdebstrap debian-archive-keyring mount
ansible-playbook playbooks/quickstart.yml
say "dev: second run: only the job may report changes"
ansible-playbook playbooks/quickstart.yml
