#!/usr/bin/env bash
# Prints the path of a redis-server that is new enough, and fetches one first if need be.
#
# A `redis-server` on PATH of at least $oldest is used as it is. Otherwise, on Debian and its kin, the distribution's package
# and the libraries that it lacks here are downloaded with apt-get (which checks their signatures) and unpacked into .tools/redis
# (ignored by git); nothing is installed and root is not needed. The packages are those of the distribution, so that they fit its
# libc and carry its security updates.
set -euo pipefail

oldest=7

say() { printf 'redis.sh: %s\n' "$*" >&2; }

new_enough() { # PATH-OF-REDIS-SERVER
  local found
  found=$("$1" --version 2>/dev/null | sed -nE 's/.* v=([0-9]+)\..*/\1/p') || return 1
  [ -n "$found" ] && [ "$found" -ge "$oldest" ]
}

if path=$(command -v redis-server) && new_enough "$path"; then
  printf '%s\n' "$path"
  exit 0
fi

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$root/.tools/redis
if new_enough "$folder/redis-server"; then
  printf '%s\n' "$folder/redis-server"
  exit 0
fi

give_up() {
  say "$1; put a redis-server of at least $oldest on PATH (Debian: redis-server, macOS: brew install redis)"
  exit 1
}
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "there is no redis-server, and no apt-get to fetch one"

mkdir -p "$root/.tools"
work=$(mktemp -d "$root/.tools/redis.XXXXXX")
trap 'rm -rf "$work"' EXIT

download() { # PACKAGE
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$1" >/dev/null 2>&1)
}

say "downloading redis-server from the distribution's archive"
if ! download redis-server; then
  # The lists of packages may be missing or out of date; only root may fetch them.
  [ "$(id -u)" = 0 ] && apt-get update -qq >&2
  download redis-server || give_up "apt-get download redis-server failed (apt-get update?)"
fi
# What it needs, level by level, of that which is not here.
fetched=" redis-server "
again=true
while $again; do
  again=false
  for package in $(for deb in "$work"/*.deb; do dpkg-deb -f "$deb" Pre-Depends Depends; done |
    sed -E 's/^[A-Za-z-]+: //; s/\([^)]*\)//g; s/\|[^,]*//g; s/,/\n/g; s/:any//g' | sed 's/[[:space:]]//g' | sort -u); do
    case "$fetched" in *" $package "*) continue ;; esac
    fetched="$fetched$package "
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' && continue
    case "$package" in adduser | lsb-base | passwd | sysvinit-utils | init-system-helpers) continue ;; esac # for installing alone
    download "$package" || give_up "apt-get download $package failed"
    again=true
  done
done

mkdir "$work/root"
for deb in "$work"/*.deb; do
  dpkg-deb -x "$deb" "$work/root"
  rm "$deb"
done
cat >"$work/redis-server" <<'SH'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
libraries=$(printf '%s:' "$here"/root/usr/lib/*/ "$here"/root/lib/*/)
LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:-}" exec "$here/root/usr/bin/redis-server" "$@"
SH
chmod 0755 "$work" "$work/redis-server"
# redis-server may be a link to redis-check-rdb, which redis-tools holds.
new_enough "$work/redis-server" || give_up "the unpacked redis-server does not run here, or is older than $oldest"
rm -rf "$folder"
mv "$work" "$folder"
trap - EXIT
printf '%s\n' "$folder/redis-server"
