#!/bin/sh
# Installs the libraries that verify webhooks in the tests: the Python one into .venv at the root of the
# repository, the JavaScript one into node_modules beside this file. Needs python3 and node with npm; what is
# installed already is left alone.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
venv=$here/../../.venv

if ! cmp -s "$here/requirements.txt" "$venv/.verifiers"; then
    test -x "$venv/bin/python" || python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/.verifiers"
fi

if ! cmp -s "$here/package-lock.json" "$here/node_modules/.verifiers"; then
    (cd "$here" && npm ci --silent --ignore-scripts)
    cp "$here/package-lock.json" "$here/node_modules/.verifiers"
fi
