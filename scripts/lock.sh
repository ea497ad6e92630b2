#!/bin/sh
# Write requirements.lock and requirements-dev.lock anew from pyproject.toml. Needs uv.
# All further arguments go to uv: `scripts/lock.sh --upgrade`, `scripts/lock.sh --upgrade-package aiohttp`.
set -eu
cd "$(dirname "$0")/.."

lock() {
    # --universal: one file for every Python from 3.11 on and every machine. No index address goes into the files, so
    # that whoever installs uses the index that pip is set up with; the hashes say that it is the same package.
    uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command scripts/lock.sh "$@"
}

lock --output-file requirements.lock "$@"
lock --extra dev --constraints requirements.lock --output-file requirements-dev.lock "$@"
