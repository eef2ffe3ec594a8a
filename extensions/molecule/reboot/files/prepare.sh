# shellcheck shell=sh
# Make XFS on the first partition of the disk $1, mounted below /srv, and tars with many files.
set -eu
disk=$1
printf ',8G\n,1G\n' | sfdisk --quiet --label gpt "$disk"
udevadm settle
mkfs.xfs -q "${disk}1"
echo "${disk}1 /srv xfs prjquota 0 0" >>/etc/fstab
mount /srv
mkdir /root/tree
for directory in $(seq 40); do
    mkdir "/root/tree/$directory"
    for file in $(seq 40); do
        echo "$directory $file" >"/root/tree/$directory/$file"
    done
done
head -c 30000000 /dev/urandom >/root/tree/big
tar --sort=name -C /root/tree -cf /srv/first.tar .
echo changed >/root/tree/1/1
tar --sort=name -C /root/tree -cf /srv/second.tar .
rm -r /root/tree
sync
