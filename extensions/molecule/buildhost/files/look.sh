# shellcheck shell=bash
# Print everything that check mode must leave unchanged, on a host with the disk $1.
set -eu
lsblk --noheadings --output NAME,TYPE,SIZE,MOUNTPOINT
wipefs --no-act "$1"
cat /etc/fstab
ls -A /etc/modules-load.d /var/lib
