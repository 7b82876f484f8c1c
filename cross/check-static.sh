#!/bin/bash
# Fails unless every FILE is a statically linked ELF program: no interpreter, nothing dynamic needed.
set -euo pipefail
for file in "$@"; do
  headers=$(LC_ALL=C readelf --wide --program-headers --dynamic "$file")
  if grep -qE 'INTERP|\(NEEDED\)' <<< "$headers"; then
    echo "$file is not static:" >&2
    grep -E 'INTERP|\(NEEDED\)' <<< "$headers" >&2
    exit 1
  fi
  echo "$file: static"
done
