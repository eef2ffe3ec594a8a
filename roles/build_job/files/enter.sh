#!/bin/sh
# sh enter.sh chroot|nspawn ROOT COMMAND CHROOT: run the shell command COMMAND in the tree ROOT. CHROOT is the text of
# chroot.sh. Standard input has commands "export NAME=VALUE", so that no value is seen among the host's processes. Writes
# the end of the command's output, and in the last line its exit code.
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
method=$1 root=$2 command=$3 chroot=$4
LONGEST=65536 # bytes of output

# Runs within ROOT, and needs only builtins of its shell there. The command gets no standard input.
# shellcheck disable=SC2016 # expanded within ROOT
run='text=
while IFS= read -r line; do
    text="$text$line
"
done
eval "$text"
unset text line
exec </dev/null
eval "$1"'

clean() {
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb "$@"
}

# All mounts and all processes of the command end with these namespaces, whatever ends the command.
enter_chroot() {
    clean unshare --mount --propagation private --pid --fork --kill-child \
        sh -c "$chroot" chroot "$root" "$run" "$command"
}

# systemd-nspawn makes what a tree lacks of these. Nothing must be left in the layer that is not the command's.
enter_nspawn() {
    made=
    for place in bin lib lib32 lib64 libx32 sbin usr dev etc proc root run sys tmp var etc/resolv.conf; do
        [ -e "$root/$place" ] || [ -L "$root/$place" ] || made="$place $made"
    done
    set -- --quiet --directory="$root" --as-pid2 --register=no --console=pipe --timezone=off --link-journal=no
    [ -d /run/systemd/system ] || set -- "$@" --keep-unit
    resolv=$(resolv_conf)
    [ -z "$resolv" ] || ! [ -f /etc/resolv.conf ] || set -- "$@" --bind-ro="/etc/resolv.conf:/$resolv"
    # /tmp is the layer's, as in a chroot.
    clean SYSTEMD_NSPAWN_TMPFS_TMP=0 systemd-nspawn "$@" --resolv-conf=off /bin/sh -ec "$run" sh "$command"
    code=$?
    for place in $made; do
        if [ -L "$root/${place%/*}" ] && [ "$place" != "${place%/*}" ]; then
            continue # a link that the command made may lead out of the layer
        elif [ -L "$root/$place" ]; then
            case $(readlink "$root/$place") in usr/"$place" | usr/lib | usr/lib/*-linux-*) rm "$root/$place" ;; esac
        elif [ -d "$root/$place" ]; then
            rmdir "$root/$place" 2>/dev/null
        elif [ -f "$root/$place" ] && ! [ -s "$root/$place" ]; then
            rm "$root/$place"
        fi
    done
    return $code
}

# Print the path in ROOT, without a slash at its start, that /etc/resolv.conf there leads to. Print nothing if the link
# leads elsewhere than to /run, where nothing of the layer lies.
resolv_conf() {
    if ! [ -L "$root/etc/resolv.conf" ]; then
        [ -L "$root/etc" ] || [ -d "$root/etc/resolv.conf" ] || echo etc/resolv.conf
        return
    fi
    link=$(readlink "$root/etc/resolv.conf")
    case /$link/ in
    */../*/../* | //*/../*) ;;
    //run/* | /../run/*) echo "run/${link#*run/}" ;;
    esac
}

{
    "enter_$method" 2>&1
    printf '\n%s' "$?"
} | tail -c $LONGEST
