# shellcheck shell=sh
# Print the state of the store $1 as JSON of strings.
set -eu
home=$1
cd "$home"
printf '{"mounted": "%s", ' "$(findmnt --noheadings --output FSTYPE job/merged)"
printf '"options": "%s", ' "$(findmnt --noheadings --output OPTIONS job/merged)"
printf '"content": "%s", ' "$(cat job/merged/link)"
printf '"owner": "%s", ' "$(stat --format '%u:%g %a' job/merged/etc/config)"
printf '"whiteout": "%s", ' "$(stat --format '%F %t:%T' job/diff/etc/goes)"
printf '"opaque": "%s", ' "$(getfattr --only-values --name trusted.overlay.opaque job/diff/old)"
printf '"hidden": "%s", ' "$([ -e job/merged/old/file ] && echo seen || echo gone)"
printf '"below": "%s", ' "$(cat base/diff/old/file)"
printf '"links": "%s", ' "$(find l -type l | wc -l)"
printf '"link": "%s"}' "$(readlink --canonicalize "l/$(cat base/link)")"
