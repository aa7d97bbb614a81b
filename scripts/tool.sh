#!/usr/bin/env bash
# tool.sh MODULE@VERSION FILE: builds a Go tool of exactly this version as FILE.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
echo "building $1"
GOBIN=$tmp GOFLAGS=-mod=mod go install "$1"
mkdir -p "$(dirname "$2")"
mv "$tmp"/* "$2"
