#!/bin/sh
# Make .venv with exactly the packages of requirements/constraints.txt, and tradespan itself as an editable install.
# Called by `make install` with the path of the stamp that says "done"; run from the repository's root.
set -eu

stamp=$1
venv=.venv
constraints=requirements/constraints.txt

find_python() {
    for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "make install: no Python 3.11 or newer found; name one with: make install PYTHON=/path/to/python3" >&2
    exit 1
}

# Whether .venv works and was made for this place: a moved clone, or a Python that is gone, needs a new one.
is_usable() {
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 && head -n 3 "$venv/bin/pip" | grep -qF "$PWD/$venv/bin/"
}

if ! is_usable; then
    python=$(find_python)
    echo "Making $venv with $("$python" --version)"
    if ! "$python" -m venv --clear "$venv"; then
        echo "make install: '$python -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 1
    fi
fi

rm -f "$venv"/.installed-*
echo "Installing the pinned packages (half a minute the first time)"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$constraints"
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
touch "$stamp"
echo "Ready: $venv"
