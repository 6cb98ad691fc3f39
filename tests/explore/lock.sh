#!/bin/sh
# Write requirements/explore.txt anew from explore.in: pinned, with hashes, in the versions of constraints.txt where
# that has the package. Run from the repository's root, after `make lock`, whose uv it uses:
# sh tests/explore/lock.sh [--upgrade]
set -eu

uv=.venv-lock/bin/uv
if ! [ -x "$uv" ]; then
    echo "tests/explore/lock.sh: no $uv: run make lock first" >&2
    exit 1
fi

UV_CUSTOM_COMPILE_COMMAND="sh tests/explore/lock.sh   (newest versions: --upgrade)" \
    "$uv" pip compile requirements/explore.in \
    --constraint requirements/constraints.txt \
    --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --annotation-style line \
    --quiet --output-file requirements/explore.txt "$@"
