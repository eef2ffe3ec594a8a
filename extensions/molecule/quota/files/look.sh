# shellcheck shell=sh
# Print the quotas of the filesystem $1 as JSON: by project id, KiB used, KiB allowed, inodes used, inodes allowed; by
# path, the project ids of layers; the filesystem's mount options.
set -eu
cd "$1"
printf '{"quotas": {'
xfs_quota -f -x -c 'report -p -n -N -b -i' "$1" |
    awk 'NF && $1 != "#0" && ($2 || $4 || $7 || $9) {
        sub("#", "", $1); printf "%s\"%s\": [%s, %s, %s, %s]", comma, $1, $2, $4, $7, $9; comma = ", " }'
printf '}, "projects": {'
for layer in overlay2/*/diff other/*/diff; do
    [ ! -d "$layer" ] || lsattr -pd "${layer%/diff}"
done | awk '{ printf "%s\"%s\": %s", comma, $NF, $1; comma = ", " }'
printf '}, "options": "%s"}' "$(findmnt --noheadings --output OPTIONS --target "$1")"
