#!/bin/sh
# Write requirements/bench.txt anew: the peers of pyproject's group `bench` and what tradespan itself needs, pinned,
# with hashes, in the versions of requirements/constraints.txt where both have a package. Run from the repository's
# root, after `make lock`, whose uv it uses: sh benchmarks/lock.sh [--upgrade]
set -eu

uv=.venv-lock/bin/uv
if ! [ -x "$uv" ]; then
    echo "benchmarks/lock.sh: no $uv: run make lock first" >&2
    exit 1
fi

UV_CUSTOM_COMPILE_COMMAND="sh benchmarks/lock.sh   (newest versions: --upgrade)" \
    "$uv" pip compile pyproject.toml \
    --group bench --constraint requirements/constraints.txt \
    --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --annotation-style line \
    --quiet --output-file requirements/bench.txt "$@"
