# shellcheck shell=sh
# ./dev report [ARG...]: test the page of role store_report in a real browser; ARGs go to pytest.
. dev.d/isolate.sh

ready test chromium fonts-dejavu-core
scratch
isolated_pytest report tests/report "$@"
