# shellcheck shell=sh
# Make filesystems in partitions of the disk $1, mounted below /srv, and /srv/large.tar.
set -eu
disk=$1
printf ',2G\n,1G\n,1G\n' | sfdisk --quiet --label gpt "$disk"
udevadm settle
mkfs.xfs -q "${disk}1"
mkfs.ext4 -q -O quota,project -E quotatype=prjquota "${disk}2"
mkfs.xfs -q "${disk}3"
cd /srv
mkdir xfs ext4 without
mount -o prjquota "${disk}1" xfs
mount -o prjquota "${disk}2" ext4
mount "${disk}3" without

mkdir /root/tree
head -c 12M /dev/urandom >/root/tree/file
tar --numeric-owner -C /root/tree -cf /srv/large.tar file
