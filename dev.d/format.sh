# shellcheck shell=sh
# ./dev format: let ruff fix and format the code, in place.
ready test
ruff check --fix || true # people fix the rest; ./dev lint reports it again
ruff format
