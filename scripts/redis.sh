#!/usr/bin/env bash
# Prints the path of a redis-server that is new enough, and fetches one first if need be.
#
# A `redis-server` on PATH of at least $oldest is used as it is. Otherwise, on Debian and its kin, the distribution's package is
# unpacked into .tools/redis (debian.sh says how).
set -euo pipefail

oldest=7

say() { printf 'redis.sh: %s\n' "$*" >&2; }

new_enough() { # PATH-OF-REDIS-SERVER
  local found
  found=$("$1" --version 2>/dev/null | sed -nE 's/.* v=([0-9]+)\..*/\1/p') || return 1
  [ -n "$found" ] && [ "$found" -ge "$oldest" ]
}

give_up() {
  say "$1; put a redis-server of at least $oldest on PATH (Debian: redis-server, macOS: brew install redis)"
  exit 1
}

if path=$(command -v redis-server) && new_enough "$path"; then
  printf '%s\n' "$path"
  exit 0
fi

here=$(cd "$(dirname "$0")" && pwd)
folder=$here/../.tools/redis
if ! new_enough "$folder/redis-server"; then
  # shellcheck source=scripts/debian.sh
  . "$here/debian.sh"
  # It may be a link to redis-check-rdb, which redis-tools holds.
  unpack redis-server usr/bin/redis-server "$folder" redis-server
fi
printf '%s\n' "$(cd "$folder" && pwd)/redis-server"
