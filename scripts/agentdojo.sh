#!/usr/bin/env bash
# Puts AgentDojo, pinned by version and hash, into .tools/agentdojo, and prints its Python. Does nothing when the pins have not changed.
# With arguments it runs e2e/agentdojo/run.py with them.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=.tools/agentdojo
pins=e2e/agentdojo/requirements.txt
if ! [ -f $folder/.pins ] || [ "$(cat $folder/.pins)" != "$(sha256sum <$pins)" ]; then
  python=
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      python=$candidate
      break
    fi
  done
  if [ -z "$python" ]; then
    echo "agentdojo.sh: AgentDojo needs Python of at least 3.11; put one on PATH" >&2
    exit 1
  fi
  echo "agentdojo.sh: installing AgentDojo, some 300 MB" >&2
  rm -rf $folder
  "$python" -m venv $folder
  $folder/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps --require-hashes -r $pins >&2
  $folder/bin/python -m pip check >&2
  sha256sum <$pins >$folder/.pins
fi
if [ $# -gt 0 ]; then
  exec $folder/bin/python e2e/agentdojo/run.py "$@"
fi
echo $folder/bin/python
