#!/bin/sh
# What check mode and refusals must leave as it is: sh snapshot.sh DIRECTORY
set -eu
cd "$1"
find . -xdev -printf '%p %m %s %T@ %i\n' | sort
find . -xdev -type f -exec sha256sum {} +
findmnt --raw --noheadings --output TARGET,SOURCE,OPTIONS | grep -F "$1" || true
losetup --raw --noheadings --output NAME,BACK-FILE | grep -F "$1" || true
