#!/usr/bin/env bash
# Prints the path of a bwrap (bubblewrap) that is new enough for the sandbox of local MCP servers, and fetches one first if need be.
#
# A `bwrap` on PATH of at least $oldest is used as it is. Otherwise the distribution's package is unpacked into .tools/bwrap
# (debian.sh says how). The kernel has to let this user make user namespaces; whether it does is found out when a server starts.
set -euo pipefail

oldest=0.8.0 # the first with --disable-userns

say() { printf 'bwrap.sh: %s\n' "$*" >&2; }

new_enough() { # PATH-OF-BWRAP
  local found
  found=$("$1" --version 2>/dev/null | sed -nE 's/^bubblewrap ([0-9.]+).*/\1/p') || return 1
  [ -n "$found" ] && printf '%s\n%s\n' "$oldest" "$found" | sort -V -C
}

give_up() {
  say "$1; put a bwrap of at least $oldest on PATH (Debian, Fedora: bubblewrap)"
  exit 1
}

if path=$(command -v bwrap) && new_enough "$path"; then
  printf '%s\n' "$path"
  exit 0
fi

here=$(cd "$(dirname "$0")" && pwd)
folder=$here/../.tools/bwrap
[ "$(uname -s)" = Linux ] || give_up "the sandbox needs Linux"
if ! new_enough "$folder/bwrap"; then
  # shellcheck source=scripts/debian.sh
  . "$here/debian.sh"
  unpack bubblewrap usr/bin/bwrap "$folder" bwrap
fi
printf '%s\n' "$(cd "$folder" && pwd)/bwrap"
