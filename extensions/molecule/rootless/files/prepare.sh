# shellcheck shell=sh
# Make a filesystem on the disk $1, mounted below /srv, that belongs to the user $2; a service that keeps a user
# namespace of $2 with a mount namespace; and commands that run Python and a shell in both namespaces.
set -eu
disk=$1
user=$2
mkfs.xfs -q "$disk"
mount -o prjquota "$disk" /srv
chown "$user:$user" /srv
sysctl --quiet --write kernel.unprivileged_userns_clone=1 2>/dev/null || true # needed on Debian's older kernels
systemd-run --quiet --unit=holder --uid="$user" \
    unshare --user --map-root-user --mount --propagation private sleep infinity
for command in python3 sh; do
    cat >"/usr/local/bin/$command-in-namespace" <<END
#!/bin/sh
pid=\$(systemctl show --property MainPID --value holder)
exec nsenter --target "\$pid" --user --mount --setuid 0 --setgid 0 -- \
    env HOME=/srv TMPDIR=/tmp $command "\$@"
END
    chmod 0755 "/usr/local/bin/$command-in-namespace"
done
# Until it has its namespace.
for _attempt in $(seq 100); do
    [ "$(sh-in-namespace -c 'id -u')" != 0 ] || exit 0
    sleep 0.1
done
exit 1
