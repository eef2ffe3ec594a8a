# shellcheck shell=sh
# ./dev demo [--clean]: run the work of a build host twice. ROOTFS=path: the tar for the base layer.

export PIP_CACHE_DIR="$CACHE/pip" # so that pip writes nothing outside the checkout
# The play is for localhost alone, and a task that has nothing to do is no news.
export ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_INVENTORY_UNPARSED_WARNING=false ANSIBLE_DISPLAY_SKIPPED_HOSTS=false
# What the modules keep until the next boot. The demo removes it only if the demo made it.
KEPT=/run/strata-overlay2
OURS=$CACHE/demo-made-$(tr -d - </proc/sys/kernel/random/boot_id)
case ${1:-} in
--clean)
    ready run
    ansible-playbook playbooks/quickstart.yml --extra-vars '{"quickstart_clean": true}'
    [ ! -e "$OURS" ] || rm -rf --one-file-system "$KEPT"
    rm -rf "$CACHE"/demo-made-* "$PIP_CACHE_DIR"
    say 'dev: no trace of the demo is left but the tools in .cache/venv, and Debian packages that it installed'
    exit
    ;;
'') ;;
*) die "demo accepts --clean, not $1" ;;
esac
case ${ROOTFS:-/} in
/*) ;;
*) export ROOTFS="$FROM/$ROOTFS" ;;
esac
[ -z "${ROOTFS:-}" ] || [ -f "$ROOTFS" ] || die "ROOTFS $ROOTFS is not a file; leave ROOTFS out to make one"
say 'dev: the demo makes a layer store in .cache/demo, puts an image into it, makes a layer with a tool on the image, and runs
dev: a job in a layer of its own. The first time this takes some minutes, because it downloads ansible-core and a Debian root filesystem.'
ready run mmdebstrap debian-archive-keyring mount
[ -e "$KEPT" ] || : >"$OURS"
ansible-playbook playbooks/quickstart.yml
say 'dev: second run: only the job may report changes'
ansible-playbook playbooks/quickstart.yml
cat >&2 <<END

dev: What you saw:
  - The first run put the image .cache/demo/image.tar into the store, as its layer base, and made the layer tools on it. In
    the second run the host reports changed=0: both were as wanted.
  - The job worked in a layer of its own, and its changes are the list above, and the tar .cache/demo/job.tar.gz.
  - The job's layer is gone, and the layers below it are as before.
dev: What comes next:
  - Look at the store: ls -l .cache/demo/store
  - Take an image of your own: docs/container-images.md
  - Read how it works: docs/store.md, docs/layer-life.md
  - Install the collection: README.md, "Installing it"
  - Remove every trace: ./dev demo --clean
END
