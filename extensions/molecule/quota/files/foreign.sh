# shellcheck shell=sh
# Use the 60 project ids after those of the layers of the store $1 otherwise: for files, for limits, by name.
set -eu
cd "$(dirname "$1")"
first=$(lsattr -pd "$1"/*/ other/*/ | awk '$1 > last { last = $1 } END { print last + 1 }')
for id in $(seq "$first" $((first + 19))); do
    mkdir -p "foreign/$id"
    xfs_io -c "chproj $id" "foreign/$id"
done
set --
for id in $(seq $((first + 20)) $((first + 39))); do
    set -- "$@" -c "limit -p bhard=${id}k $id"
done
xfs_quota -f -x "$@" "$PWD"
for id in $(seq $((first + 20)) $((first + 59))); do
    echo "foreign-$id:$id"
done >>/etc/projid
echo "$first"
