#!/usr/bin/env bash
# Plays Sara's story against a gateway on loopback. Usage: demo/demo.sh [fake|openrouter]
set -euo pipefail
cd "$(dirname "$0")/.."
exec go run ./demo -model "${1:-fake}"
