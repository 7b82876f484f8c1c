#!/bin/bash
# Builds the static musl binary for each TARGET, with no container engine:
#
#   cross/build.sh aarch64-unknown-linux-musl x86_64-unknown-linux-musl armv7-unknown-linux-musleabihf
#
# gives dist/TARGET/skerry and dist/TARGET/skerry.sha256. Two builds of one commit are equal.
set -euo pipefail
cd "$(dirname "$0")/.."
. cross/toolchain.sh

[ $# -gt 0 ] || { sed -n '2,6p' "$0"; exit 2; }
SKERRY_COMMIT=${SKERRY_COMMIT:-$(git rev-parse --short=12 HEAD)}
export SKERRY_COMMIT

for target in "$@"; do
  (
    have_toolchain "$target"
    flags=CARGO_TARGET_$(variable "$target")_RUSTFLAGS
    # No path of the build machine may get into the binary. A panic ends the process: nobody
    # unwinds, and tables for that would be a sixth of it.
    # At a fixed address, as Go's programs are: on x86_64 the table for any other is a twentieth of it.
    # cargo links in the project's folder.
    export "$flags=${!flags} --remap-path-prefix=$PWD=/skerry --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo -Crelocation-model=static -Clink-arg=-Wl,--build-id=none -Cforce-unwind-tables=no -Clink-arg=-Wl,--no-eh-frame-hdr -Clink-arg=-Wl,-T,cross/no-unwinding.ld"
    # A target folder of its own: this may be another compiler than the one used for development.
    cargo build --locked --release -p skerry --target "$target" --target-dir target/cross
  )
  mkdir -p "dist/$target"
  cp "target/cross/$target/release/skerry" "dist/$target/skerry"
  (cd "dist/$target" && sha256sum skerry > skerry.sha256)
  say "dist/$target/skerry: $(stat -c %s "dist/$target/skerry") bytes"
done
