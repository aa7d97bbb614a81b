#!/usr/bin/env bash
# Checks what the tests need of the system, installs it where that is possible without asking (root on Debian), and
# otherwise says what to install.
set -euo pipefail

missing=()
need() { # need PACKAGES COMMAND…: the command succeeds when they are there
  local packages=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$packages")
}
look() {
  missing=()
  need "python3 python3-venv" python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))'
  need nodejs node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)'
  need npm npm --version
  need curl curl --version
  # The race detector is cgo.
  need "gcc libc6-dev" cc --version
}

look
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  # shellcheck disable=SC2086,SC2048 # each entry is a list of packages
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${missing[*]}; } >&2
  look
fi
[ ${#missing[@]} -eq 0 ] && exit 0
echo "The tests need: ${missing[*]} (Debian's names; node of at least 18, Python of at least 3.10). Install them and try again." >&2
exit 1
