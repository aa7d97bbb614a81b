#!/usr/bin/env bash
# Runs the MCP conformance suites and the official SDKs through Envoy and the broker, whole, and ends with the figures of the suites.
set -euo pipefail
cd "$(dirname "$0")/.."

log=.tools/mcp/e2e.log
status=0
go test -count 1 -timeout 20m ./e2e/ -run '^TestMCP' -v -mcp.all >"$log" 2>&1 || status=$?
go test -count 1 ./mcpbroker/connect/ -run '^TestConformance$' -v -mcp.all >>"$log" 2>&1 || status=$?
if [ "$status" != 0 ]; then grep -vE "FIGURES|^=== |^ +--- PASS|^--- PASS" "$log" || true; fi
echo
echo "The MCP conformance suites, through Envoy and the broker (whole log: $log):"
sed -n 's/^.*FIGURES /  /p' "$log"
exit "$status"
