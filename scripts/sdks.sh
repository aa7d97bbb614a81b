#!/usr/bin/env bash
# Puts the providers' real SDKs and the agents' frameworks, the real MCP servers, the official MCP SDKs and the MCP conformance suites, pinned,
# where the end-to-end tests look for them: .tools/venv, .tools/js, .tools/mcpservers, .tools/mcp, and .tools/oidc with a real identity
# provider. .tools/mcp has the Node of at least 22 that most of the JavaScript needs. Does nothing when the pins have not changed.
set -euo pipefail
cd "$(dirname "$0")/.."

fresh() { # fresh STAMP FILE…: the files are as they were when the stamp was made
  [ -f "$1" ] && [ "$(cat "$1")" = "$(cat "${@:2}" | sha256sum)" ]
}
stamp() { cat "${@:2}" | sha256sum >"$1"; }

venv() { # venv FOLDER PINS: the packages that PINS pins, in FOLDER
  fresh "$1/.pins" "$2" && return
  rm -rf "$1"
  python3 -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps -r "$2"
  "$1/bin/python" -m pip check
  stamp "$1/.pins" "$2"
}
venv .tools/venv e2e/py/requirements.txt
venv .tools/mcp/venv e2e/mcp/py/requirements.txt

npm_project() { # npm_project FOLDER PINS: the packages that PINS pins, in FOLDER
  fresh "$1/.pins" "$2/package.json" "$2/package-lock.json" && return
  rm -rf "$1"
  mkdir -p "$1"
  cp "$2/package.json" "$2/package-lock.json" "$1/"
  npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel=error
  stamp "$1/.pins" "$2/package.json" "$2/package-lock.json"
}
npm_project .tools/js e2e/js
npm_project .tools/mcpservers e2e/mcpservers
npm_project .tools/mcp/js e2e/mcp/js
npm_project .tools/oidc e2e/oidc
