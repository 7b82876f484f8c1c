# Sourced by build.sh: finds or makes a compiler, a standard library and a linker for static musl.
#
# A rustup toolchain that has the target is used as it is. Where it has not, and cannot fetch it,
# Debian's rustc and the source of its standard library are unpacked beside the system (nothing is
# installed) and the library is built once per target. The C compiler, linker, musl and libunwind
# come from PyPI's ziglang wheel in both cases: ring has C and assembly in it.

CACHE=${SKERRY_CROSS_CACHE:-$HOME/.cache/skerry-cross}
ZIG_VERSION=0.17.1

say() { printf 'cross: %s\n' "$*" >&2; }

zig_target() {
  case $1 in
    x86_64-unknown-linux-musl) echo "x86_64-linux-musl" ;;
    aarch64-unknown-linux-musl) echo "aarch64-linux-musl" ;;
    armv7-unknown-linux-musleabihf) echo "arm-linux-musleabihf -mcpu=generic+v7a+vfp3-d32+thumb2-neon" ;;
    *) say "no recipe for target '$1'"; exit 2 ;;
  esac
}

have_zig() {
  local zig=$CACHE/zig-$ZIG_VERSION
  if [ ! -x "$zig/ziglang/zig" ]; then
    say "fetching zig $ZIG_VERSION from PyPI"
    rm -rf "$zig"
    python3 -m pip install -q --root-user-action=ignore --no-deps --target "$zig" "ziglang==$ZIG_VERSION"
  fi
  ZIG=$zig/ziglang/zig
}

# zig cc takes its target from our wrapper and does not know every flag that rustc and cc-rs pass.
have_cc() {
  have_zig
  mkdir -p "$CACHE/bin"
  cat > "$CACHE/bin/$1-cc" <<WRAPPER
#!/bin/bash
export ZIG_GLOBAL_CACHE_DIR=$CACHE/zig-cache ZIG_LOCAL_CACHE_DIR=$CACHE/zig-cache
args=()
for arg in "\$@"; do
  case \$arg in
    --target=* | -march=armv7* | -mfpu=* | -mfloat-abi=*) ;; # said by -target and -mcpu
    -static-pie) args+=(-static -pie) ;;                     # else: a fixed-address program
    -Wl,-O1) ;;                                              # only a warning
    *) args+=("\$arg") ;;
  esac
done
exec $ZIG cc -target $(zig_target "$1") "\${args[@]}"
WRAPPER
  printf '#!/bin/sh\nexec %s ar "$@"\n' "$ZIG" > "$CACHE/bin/$1-ar"
  chmod +x "$CACHE/bin/$1-cc" "$CACHE/bin/$1-ar"
}

rustup_has() {
  command -v rustup > /dev/null && rustup target list --installed 2> /dev/null | grep -qx "$1"
}

have_debian_rust() {
  DEBIAN_RUST=$CACHE/debian-rust
  [ -e "$DEBIAN_RUST/.complete" ] && return
  say "unpacking Debian's rustc and the source of std"
  local debs=$CACHE/debs std packages
  rm -rf "$debs" "$DEBIAN_RUST"
  mkdir -p "$debs" "$DEBIAN_RUST/bin"
  std=$(apt-cache depends libstd-rust-web-dev | sed -n 's/.*Depends: \(libstd-rust-web-[0-9.]*\).*/\1/p' | tail -1)
  packages="rustc-web cargo-web rust-web-src libstd-rust-web-dev $std
    $(apt-get install -s --no-install-recommends rustc-web cargo-web rust-web-src 2> /dev/null | awk '$1 == "Inst" { print $2 }')"
  # shellcheck disable=SC2046,SC2086 # a list of package names
  (cd "$debs" && apt-get download $(printf '%s\n' $packages | sort -u) > /dev/null)
  for deb in "$debs"/*.deb; do dpkg -x "$deb" "$DEBIAN_RUST"; done
  rm -rf "$debs"
  for tool in rustc cargo; do
    cat > "$DEBIAN_RUST/bin/$tool" <<WRAPPER
#!/bin/sh
export LD_LIBRARY_PATH=$DEBIAN_RUST/usr/lib/x86_64-linux-gnu\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
exec $DEBIAN_RUST/usr/bin/$tool "\$@"
WRAPPER
    chmod +x "$DEBIAN_RUST/bin/$tool"
  done
  # As rust's own bootstrap does: panic_abort is the one crate of std built with panic=abort.
  cat > "$DEBIAN_RUST/bin/rustc-for-std" <<WRAPPER
#!/bin/bash
previous=
for arg in "\$@"; do
  [ "\$previous \$arg" = "--crate-name panic_abort" ] && set -- "\$@" -Cpanic=abort
  previous=\$arg
done
exec $DEBIAN_RUST/bin/rustc "\$@"
WRAPPER
  chmod +x "$DEBIAN_RUST/bin/rustc-for-std"
  touch "$DEBIAN_RUST/.complete"
}

have_debian_std() {
  local target=$1 lib=$DEBIAN_RUST/usr/lib/rustlib/$1/lib source
  [ -e "$lib/.complete" ] && return
  source=$(echo "$DEBIAN_RUST"/usr/src/rustc-*/library)
  say "building std for $target"
  (
    target_environment "$target"
    export RUSTC=$DEBIAN_RUST/bin/rustc-for-std RUSTC_BOOTSTRAP=1 __CARGO_DEFAULT_LIB_METADATA=stablestd
    export CARGO_TARGET_DIR=$CACHE/std-target CARGO_PROFILE_RELEASE_DEBUG=0
    local flags=CARGO_TARGET_$(variable "$target")_RUSTFLAGS
    export "$flags=${!flags} -Zforce-unstable-if-unmarked -Cembed-bitcode=yes --remap-path-prefix=$source=/rust/std"
    cd "$source"
    "$DEBIAN_RUST/bin/cargo" build --quiet --locked --release --target "$target" -p sysroot --features "backtrace panic-unwind"
  )
  rm -rf "$lib"
  mkdir -p "$lib"
  cp "$CACHE/std-target/$target/release/deps/"*.rlib "$CACHE/std-target/$target/release/deps/"*.rmeta "$lib/"
  rm -rf "$CACHE/std-target/$target"
  touch "$lib/.complete"
}

variable() { local name=${1//-/_}; echo "${name^^}"; }

# Exports what cargo, rustc and cc-rs read for this target.
target_environment() {
  local target=$1
  unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS RUSTC_WRAPPER
  export "CC_${target//-/_}=$CACHE/bin/$target-cc" "AR_${target//-/_}=$CACHE/bin/$target-ar"
  export "CARGO_TARGET_$(variable "$target")_LINKER=$CACHE/bin/$target-cc"
  # zig brings crt1.o, libc.a and libunwind.a: rustc must not look for its own.
  export "CARGO_TARGET_$(variable "$target")_RUSTFLAGS=-Clink-self-contained=no -Ctarget-feature=+crt-static"
  if [ -n "${DEBIAN_RUST:-}" ]; then
    unset CARGO RUSTUP_TOOLCHAIN
    export PATH=$DEBIAN_RUST/bin:$PATH RUSTC=$DEBIAN_RUST/bin/rustc
  fi
}

# have_toolchain TARGET: afterwards `cargo build --target TARGET` in this shell is static musl.
have_toolchain() {
  have_cc "$1"
  if ! rustup_has "$1"; then
    have_debian_rust
    have_debian_std "$1"
  fi
  target_environment "$1"
}
