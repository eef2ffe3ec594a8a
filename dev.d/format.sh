# shellcheck shell=sh
# ./dev format: what ruff can repair, in place.
ready test
ruff check --fix || true # what is left over is for people, and ./dev lint says it again
ruff format
