#!/bin/sh
# Install Chromium through apt-get if this machine has none; the browser tests drive it.
set -eu

for program in chromium chromium-browser google-chrome; do
    if command -v "$program" >/dev/null; then
        exit 0
    fi
done

if ! command -v apt-get >/dev/null; then
    echo "make test-browser: no Chromium found, and no apt-get to install it with; install it by hand" >&2
    exit 1
fi

root=
[ "$(id -u)" -eq 0 ] || root=sudo
export DEBIAN_FRONTEND=noninteractive
$root apt-get update -qq
# Without a font of its own Chromium draws boxes on a bare machine.
$root apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core
