#!/bin/sh
# sh look.sh HOME FSTYPE FSTAB DEVICE IMAGE ("" for none): write the host's devices, mounts and tools as JSON. Changes
# nothing.
set -u
home=$1 fstype=$2 fstab=$3 device=$4 image=$5
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL

# answer COMMAND...: write true if the command succeeds, else false
answer() {
    if "$@" >/dev/null 2>&1; then printf true; else printf false; fi
}

# told COMMAND...: write the command's JSON; {} if the command writes nothing, null if it fails
told() {
    out=$("$@" 2>/dev/null) || out=null
    printf '%s' "${out:-{\}}"
}

device=${device:+$(readlink -f -- "$device")}
image=${image:+$(readlink -f -- "$image")}
lacking=
for tool in lsblk wipefs findmnt losetup; do
    command -v "$tool" >/dev/null || lacking="$lacking $tool"
done

entries() {
    [ -n "$(find "$home" -mindepth 1 -maxdepth 1 ! -name lost+found -print -quit)" ]
}

kernel_config() {
    zcat /proc/config.gz 2>/dev/null || cat "/boot/config-$(uname -r)" 2>/dev/null
}

# As far as the kernel tells without a trial mount. ext4 needs quotas of the second format.
no_quota() {
    case $fstype in
    xfs) grep -qw xfs /proc/filesystems && ! [ -e /proc/fs/xfs/xqmstat ] ;;
    ext4) ! [ -e /proc/sys/fs/quota ] || kernel_config | grep -q '^# CONFIG_QFMT_V2 is not set' ;;
    *) false ;;
    esac
}

# Whether the filesystem that is there was made with quotas. Without them in the kernel, ext4 then refuses every mount.
made_with_quota() {
    [ "$fstype" = ext4 ] && tune2fs -l "${device:-$image}" | grep -q '^Filesystem features:.* quota '
}

cat <<END
{
"root": $(answer [ "$(id -u)" -eq 0 ]),
"lacking": "${lacking# }",
"overlay": $(answer grep -qw overlay /proc/filesystems),
"overlay_module": $(answer grep -q '^overlay ' /proc/modules),
"overlay_at_boot": $(answer grep -qsx overlay /etc/modules-load.d/*),
"no_quota": $(answer no_quota),
"made_with_quota": $(answer made_with_quota),
"mkfs": $(answer command -v "mkfs.$fstype"),
"fstab": $(answer [ -e "$fstab" ]),
"systemd": $(answer [ -d /run/systemd/system ]),
"mounted": $(told findmnt --json --mountpoint "$home" --output SOURCE,FSTYPE,OPTIONS,MAJ:MIN),
"entries": $(answer entries),
"is_block": $(answer [ -b "$device" ]),
"blocks": $(told lsblk --json --list --output NAME,TYPE,MAJ:MIN,MOUNTPOINT "${device:-/dev/null}"),
"is_file": $(answer [ -f "$image" ]),
"image_exists": $(answer [ -e "$image" ]),
"loops": $(told losetup --json --list --output NAME --associated "${image:-/dev/null}"),
"signatures": $(told wipefs --no-act --json "${device:-$image}")
}
END
