# shellcheck shell=sh
# cut.sh PROGRAM... DIRECTORY: wait until a layer is staged in the machine, wait a moment more, and cut the power.
set -eu
for directory; do :; done
# shellcheck disable=SC2016 # expanded in the machine
"$1" "$2" ssh "$directory" '
    for attempt in $(seq 3000); do
        [ -z "$(find /srv/overlay2 -mindepth 2 -path "*/.staging/*" -print -quit 2>/dev/null)" ] || exit 0
        sleep 0.02
    done
    echo "nothing was staged" >&2
    exit 1'
wait=$(od -An -N1 -tu1 /dev/urandom | awk '{ print $1 / 100 }')
echo "cut $wait s later"
sleep "$wait"
exec "$1" "$2" cut "$directory"
