#!/bin/sh
# Make the virtual environment and install everything, with uv if it is there, else with venv and pip.
set -eu
: "${PYTHON:=python3}" "${VENV:=.venv}"
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Python 3.11 or later is needed, and $PYTHON is not. Say which: make PYTHON=/path/to/python3.11 ..." >&2
    exit 2
fi
constraints=constraints/constraints.txt
if command -v uv >/dev/null 2>&1; then
    [ -x "$VENV/bin/python" ] || uv venv --quiet --python "$PYTHON" "$VENV"
    uv pip install --quiet --python "$VENV/bin/python" --constraint "$constraints" --editable '.[lab,deployment,test,dev]'
else
    [ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
        --constraint "$constraints" --editable '.[lab,deployment,test,dev]'
fi
touch "$VENV/.installed"
