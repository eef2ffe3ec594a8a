# shellcheck shell=bash
# Fill the layers job and files of the store $1, like jobs that do not know the limit, and write the results to $1.json.
home=$1
said=$(dd if=/dev/zero of="$home/job/merged/file" bs=64k conv=fsync status=none 2>&1) && exit 1
number=0
while true >"$home/files/merged/$number"; do number=$((number + 1)); done 2>"$home.said"
free=$(stat --file-system --format '"free": %a, "block": %S, "inodes_free": %d' "$(dirname "$home")")
printf '{"written": %s, "said": "%s", "made": %s, "said_of_files": "%s", %s}' \
    "$(stat --format %s "$home/job/merged/file")" "${said##*: }" "$number" \
    "$(sed 's/.*: //' "$home.said")" "$free" >"$home.json"
rm "$home.said"
