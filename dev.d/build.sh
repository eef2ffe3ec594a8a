# shellcheck shell=sh
# ./dev build: the tarball users install.
ready run
exec ansible-galaxy collection build --force --output-path "$CACHE/build"
