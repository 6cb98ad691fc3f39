#!/bin/sh
# Write requirements/constraints.txt anew from pyproject.toml: every extra and the dev group, pinned, with hashes.
# Versions that still fit stay; `make lock ARGS=--upgrade` takes the newest.
set -eu

uv_version=0.13.8

if ! .venv-lock/bin/uv --version 2>/dev/null | grep -q "^uv $uv_version"; then
    "${PYTHON:-python3}" -m venv --clear .venv-lock
    .venv-lock/bin/pip install --quiet --disable-pip-version-check "uv==$uv_version"
fi

# --universal: the file serves every platform and Python from 3.11 on, by markers. No index address is written.
UV_CUSTOM_COMPILE_COMMAND="make lock   (newest versions: make lock ARGS=--upgrade)" \
    .venv-lock/bin/uv pip compile pyproject.toml \
    --all-extras --group dev \
    --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --annotation-style line \
    --quiet --output-file requirements/constraints.txt "$@"
