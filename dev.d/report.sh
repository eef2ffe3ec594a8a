# shellcheck shell=sh
# ./dev report [ARG...]: test the page of role store_report in a real browser; ARGs go to pytest.
. dev.d/isolate.sh
. dev.d/keyring.sh
. dev.d/chromium.sh

# The node in Playwright's wheel loads libatomic, which a minimal machine lacks.
ready test mmdebstrap debian-archive-keyring libatomic1
STRATA_CHROMIUM=$ROOT/dev.d/chromium_inside.sh
STRATA_CHROMIUM_ROOT=$(chromium_root)
export STRATA_CHROMIUM STRATA_CHROMIUM_ROOT
scratch
isolated_pytest report tests/report "$@"
