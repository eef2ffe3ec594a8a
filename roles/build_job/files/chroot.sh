#!/bin/sh
# sh chroot.sh ROOT RUN COMMAND: mount /proc, /dev and resolv.conf in the tree ROOT, and run the shell text RUN there with
# COMMAND as its argument. Needs a mount namespace and a pid namespace of its own, which take all mounts with them.
set -eu
root=$1 run=$2 command=$3
made= # mount points that the layer lacked

refuse() {
    echo "build_job: $*" >&2
    exit 125
}

mount_point() {
    ! [ -L "$root/$1" ] || refuse "/$1 of the layer is a symlink, so nothing can be mounted there"
    [ -d "$root/$1" ] || {
        mkdir "$root/$1"
        made="$made $1"
    }
}

mount_point proc
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount_point dev
mount -t tmpfs -o nosuid,noexec,mode=755,size=1m tmpfs "$root/dev"
for node in null zero full random urandom tty; do
    : >"$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,nosuid,noexec,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"

# In most images resolv.conf is a file. With systemd-resolved it is a link into /run.
resolv=etc/resolv.conf
if [ -L "$root/$resolv" ]; then
    link=$(readlink "$root/$resolv")
    case $link in
    /run/* | ../run/*)
        mount_point run
        mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs "$root/run"
        resolv=run/${link#*/run/}
        case /$resolv/ in */../*) refuse "/etc/resolv.conf of the layer leads to $link" ;; esac
        mkdir -p "$root/${resolv%/*}"
        : >"$root/$resolv"
        ;;
    *) resolv= ;;
    esac
elif [ -d "$root/etc" ] && ! [ -L "$root/etc" ] && ! [ -e "$root/$resolv" ]; then
    : >"$root/$resolv"
    made="$made $resolv"
fi
if [ -n "$resolv" ] && [ -f "$root/$resolv" ] && [ -f /etc/resolv.conf ]; then
    mount --bind /etc/resolv.conf "$root/$resolv"
fi

code=0
chroot "$root" /bin/sh -ec "$run" sh "$command" || code=$?
for place in $made; do
    # Nothing must be left in the layer that is not the command's. A link that the command made leads out of the layer.
    ! [ -L "$root/${place%/*}" ] || continue
    umount --lazy "$root/$place" 2>/dev/null || :
    if [ -d "$root/$place" ]; then rmdir "$root/$place"; else rm -f "$root/$place"; fi
done
exit $code
