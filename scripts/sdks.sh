#!/usr/bin/env bash
# Puts the real openai SDKs, pinned, where the end-to-end tests look for them: .tools/venv and .tools/js. Does nothing
# when the pins have not changed.
set -euo pipefail
cd "$(dirname "$0")/.."

fresh() { # fresh STAMP FILE…: the files are as they were when the stamp was made
  [ -f "$1" ] && [ "$(cat "$1")" = "$(cat "${@:2}" | sha256sum)" ]
}
stamp() { cat "${@:2}" | sha256sum >"$1"; }

venv=.tools/venv
if ! fresh $venv/.pins e2e/py/requirements.txt; then
  rm -rf $venv
  python3 -m venv $venv
  $venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps -r e2e/py/requirements.txt
  $venv/bin/python -m pip check
  stamp $venv/.pins e2e/py/requirements.txt
fi

js=.tools/js
if ! fresh $js/.pins e2e/js/package.json e2e/js/package-lock.json; then
  rm -rf $js
  mkdir -p $js
  cp e2e/js/package.json e2e/js/package-lock.json $js/
  npm ci --prefix $js --ignore-scripts --no-audit --no-fund --loglevel=error
  stamp $js/.pins e2e/js/package.json e2e/js/package-lock.json
fi
