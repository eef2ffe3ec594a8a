# shellcheck shell=sh
# ./dev build: make the tarball that users install.
ready run
exec ansible-galaxy collection build --force --output-path "$CACHE/build"
