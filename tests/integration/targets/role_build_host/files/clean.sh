#!/bin/sh
# Unmount and detach what lies below a directory: sh clean.sh DIRECTORY
set -eu
cd "$1"
findmnt --raw --noheadings --output TARGET | grep -F "$PWD/" | sort -r | while read -r place; do
    umount "$place"
done
losetup --noheadings --raw --output NAME,BACK-FILE | grep -F "$PWD/" | while read -r loop file; do
    partx --delete "$loop" 2>/dev/null || true # or they would be there for whoever attaches something to it next
    losetup --detach "$loop"
    echo "detached $loop from $file"
done
