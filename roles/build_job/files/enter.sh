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

enter_nspawn() {
    set -- --quiet --directory="$root" --as-pid2 --register=no --console=pipe --timezone=off --link-journal=no
    [ -d /run/systemd/system ] || set -- "$@" --keep-unit
    if [ -f "$root/etc/resolv.conf" ]; then
        set -- "$@" --resolv-conf=bind-host
    else
        set -- "$@" --resolv-conf=off
    fi
    clean systemd-nspawn "$@" /bin/sh -ec "$run" sh "$command"
}

{
    "enter_$method" 2>&1
    printf '\n%s' "$?"
} | tail -c $LONGEST
