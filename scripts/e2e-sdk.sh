#!/usr/bin/env bash
# Runs the providers' real SDKs and the agents' frameworks through Envoy, each check with each form of a stream, and ends with the figures.
set -euo pipefail
cd "$(dirname "$0")/.."

log=.tools/e2e-sdk.log
status=0
go test -count 1 -timeout 20m ./e2e/ -run '^Test(Python|JavaScript|Go|Agents)' -v -sdk.all >"$log" 2>&1 || status=$?
if [ "$status" != 0 ]; then grep -vE "FIGURES|^=== |^ +--- PASS|^--- PASS" "$log" || true; fi
echo
echo "The real SDKs, through Envoy (whole log: $log):"
sed -n 's/^.*FIGURES /  /p' "$log"
exit "$status"
