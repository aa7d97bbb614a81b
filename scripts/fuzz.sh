#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target there is, each for TIME.
set -euo pipefail
cd "$(dirname "$0")/.."
found=0
while IFS=: read -r file target; do
  found=$((found + 1))
  echo "fuzz ${file%/*} $target"
  go test "./${file%/*}/" -run '^$' -fuzz "^$target\$" -fuzztime "$1"
done < <(git ls-files -co --exclude-standard '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]+' | sed 's/:func /:/' | sort)
if [ $found -eq 0 ]; then
  echo "no fuzz target found" >&2
  exit 1
fi
echo "fuzzed $found targets"
