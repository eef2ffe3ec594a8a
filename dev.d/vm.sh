# shellcheck shell=sh
# ./dev vm SUITE [COMMAND...]: run a shell, or one command, in a new machine.
. dev.d/isolate.sh
. dev.d/machines.sh

suite_of "$@"
# shellcheck disable=SC2086 # a list of names
ready run $MACHINE_PACKAGES
machine_keys
scratch
suite=$1
shift
isolated python dev.d/machines run "$SCRATCH/machine" "$suite" "$@"
