# shellcheck shell=sh
# ./dev kernels SUITE [SEED] [few]: run the tests that ask the kernel, in a machine with the suite's kernel: one archive goes
# in, one command runs, one archive comes out. The seed chooses the steps to interrupt, and the examples of hypothesis.
. dev.d/isolate.sh
. dev.d/machines.sh

suite_of "$@"
suite=$1
few=${3:-}
seed=${2:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
say "dev: to repeat this run: ./dev kernels $suite $seed${few:+ $few}"
# shellcheck disable=SC2086 # a list of names
ready run git $MACHINE_PACKAGES
machine_keys
scratch
checkout_tar >"$SCRATCH/checkout.tar"
# shellcheck disable=SC2016 # expanded there
command='where=/src/ansible_collections/strata/overlay2
mkdir -p "$where" /results && cd "$where" && tar -xf - || exit
RESULTS=/results sh tests/kernels/run.sh "$0" "$1" >&2
code=$?
tar -C /results -cf - .
exit "$code"'
code=0
isolated python dev.d/machines run "$SCRATCH/machine" "$suite" sh -c "'$command'" "$seed" "${few:-all}" \
    <"$SCRATCH/checkout.tar" >"$SCRATCH/results.tar" || code=$?
mkdir "$SCRATCH/results"
tar -xf "$SCRATCH/results.tar" -C "$SCRATCH/results" || die "the machine returned no results ($code)"
for file in "$SCRATCH"/results/*.xml; do
    [ ! -e "$file" ] || cp "$file" "$RESULTS/kernels-$suite-$(basename "$file")"
done
python dev.d/kernels.py "$suite" "$SCRATCH/results" docs/kernels.md "$RESULTS/kernels-$suite.note"
[ "$code" -eq 0 ] || die "the tests failed on $suite ($code)"
