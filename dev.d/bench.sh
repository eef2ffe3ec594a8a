# shellcheck shell=sh
# ./dev bench [ARG...]: what a task costs, as ratios within one run.
. dev.d/isolate.sh

ready run xfsprogs mount util-linux
scratch
isolated python tests/bench/run.py "$@"
