#!/usr/bin/env bash
# vuln.sh GOVULNCHECK: known vulnerabilities in what we link. Where the database cannot be reached there is no answer,
# and this says so; it is not a pass.
set -euo pipefail
out=$(mktemp)
trap 'rm -f "$out"' EXIT
code=0
"$1" ./... >"$out" 2>&1 || code=$?
cat "$out"
# 3 is "vulnerabilities found". Any other failure that speaks of fetching is the database, not the code.
if [ $code -ne 0 ] && [ $code -ne 3 ] && grep -qiE 'vuln\.go\.dev|fetching vulnerabilities|no such host|dial tcp|HTTP .* returned unexpected status|connection refused|timeout' "$out"; then
  echo "govulncheck: SKIPPED, its database is out of reach"
  exit 0
fi
exit $code
