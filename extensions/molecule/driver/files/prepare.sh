# shellcheck shell=sh
# Make filesystems in partitions of the disk $1, mounted below /srv, and /srv/base.tar.
set -eu
disk=$1
printf ',2G\n,1G\n,1G\n,1G\n' | sfdisk --quiet --label gpt "$disk"
udevadm settle
mkfs.xfs -q "${disk}1"
mkfs.ext4 -q "${disk}2"
mkfs.btrfs -q "${disk}3"
# XFS as before 2015, without types in its directories. Linux 7 cannot read this XFS, so ext4 replaces it there.
case $(uname -r) in
[1-6].*) mkfs.xfs -q -m crc=0 -n ftype=0 "${disk}4" ;;
*) mkfs.ext4 -q -O ^filetype "${disk}4" ;;
esac
cd /srv
mkdir xfs ext4 btrfs old
mount -o prjquota "${disk}1" xfs
mount "${disk}2" ext4
mount "${disk}3" btrfs
mount "${disk}4" old
[ ! -e old/lost+found ] || rmdir old/lost+found

mkdir -p /root/tree/etc /root/tree/old
cd /root/tree
echo base >etc/config
echo goes >etc/goes
echo old >old/file
ln -s etc/config link
chown 1000:1000 etc/config
chmod 0640 etc/config
tar --sort=name --numeric-owner -cf /srv/base.tar .
