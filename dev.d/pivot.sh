# shellcheck shell=sh
# Run by roots.sh in new namespaces: ROOTFS CHECKOUT SCRATCH RESULTS ROOTFS COMMAND...
# pivot_root, because in a chroot the kernel refuses user namespaces, which some tests make.
set -eu
root=$1
mount --bind "$root" "$root"
mount --bind "$2" "$root/src/ansible_collections/strata/overlay2"
mount -o remount,bind,ro "$root/src/ansible_collections/strata/overlay2"
mount --bind "$3" "$root/tmp"
mount --bind "$4" "$root/results"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mkdir -m 1777 "$root/run/lock"
mount -o remount,bind,ro "$root"
shift 5
cd "$root"
pivot_root . mnt
umount --lazy /mnt
mount --make-rshared /
cd /src/ansible_collections/strata/overlay2
"$@" || exit $?
exit 0
