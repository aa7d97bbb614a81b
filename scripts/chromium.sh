#!/usr/bin/env bash
# Prints the path of a chromium that is new enough to look at the page on which people connect, and fetches one first if need be.
#
# A `chromium` on PATH of at least $oldest is used as it is. Otherwise, on Debian and its kin, the distribution's package is unpacked
# into .tools/chromium (debian.sh says how), with the fonts that come with it.
set -euo pipefail

oldest=120

say() { printf 'chromium.sh: %s\n' "$*" >&2; }

new_enough() { # PATH-OF-CHROMIUM
  local found
  found=$("$1" --version 2>/dev/null | sed -nE 's/^Chromium ([0-9]+)\..*/\1/p') || return 1
  [ -n "$found" ] && [ "$found" -ge "$oldest" ]
}

give_up() {
  say "$1; put a chromium of at least $oldest on PATH (Debian: chromium)"
  exit 1
}

if path=$(command -v chromium) && new_enough "$path"; then
  printf '%s\n' "$path"
  exit 0
fi

here=$(cd "$(dirname "$0")" && pwd)
folder=$here/../.tools/chromium
[ "$(uname -s)" = Linux ] || give_up "there is none here, and none to fetch"
if ! new_enough "$folder/chromium"; then
  # shellcheck source=scripts/debian.sh
  . "$here/debian.sh"
  unpack chromium usr/lib/chromium/chromium "$folder" chromium
  cat >"$folder/fonts.conf" <<FONTS
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir prefix="relative">root/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
FONTS
fi
printf '%s\n' "$(cd "$folder" && pwd)/chromium"
