#!/usr/bin/env bash
# Installs the real clients (requirements.txt) into .cache/conformance/venv, once for each version of the list.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly LIST=test/conformance/requirements.txt VENV=.cache/conformance/venv

if cmp -s "$LIST" "$VENV/installed.txt"; then exit 0; fi
rm -rf "$VENV"
python3 -m venv "$VENV"
"$VENV/bin/pip" install --quiet --disable-pip-version-check --requirement "$LIST"
cp "$LIST" "$VENV/installed.txt"
