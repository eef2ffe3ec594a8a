# shellcheck shell=sh
# ./dev vm SUITE [COMMAND...]: a shell in a machine of its own, or one command.
. dev.d/isolate.sh
. dev.d/machines.sh

suite_of "$@"
# shellcheck disable=SC2086 # a list of names
ready run $MACHINE_PACKAGES
scratch
suite=$1
shift
isolated python dev.d/machines run "$SCRATCH/machine" "$suite" "$@"
