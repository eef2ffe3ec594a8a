# shellcheck shell=sh
# "write" two blocks to the partition $2, one of them flushed, or "read" which of them exist.
set -eu
block() { head -c 4096 /dev/zero | tr '\0' x; }
case $1 in
write)
    block | dd of="$2" bs=4096 oflag=direct conv=fsync status=none
    # Far away, because the disk can write adjacent blocks together.
    block | dd of="$2" bs=4096 seek=100000 oflag=direct status=none
    ;;
read)
    for place in '0 flushed' '100000 not flushed'; do
        if [ "$(dd if="$2" bs=4096 skip="${place%% *}" count=1 status=none | tr -d '\0' | wc -c)" -eq 4096 ]; then
            echo "${place#* } kept"
        else
            echo "${place#* } lost"
        fi
    done
    ;;
esac
