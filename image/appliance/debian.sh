# Sourced: Debian's packages for arm64, fetched and unpacked beside the system. Nothing of them is run, so that no
# emulator is needed and the result is the same each time.

# The suite whose packages become the root.
SUITE=${SKERRY_APPLIANCE_SUITE:-bookworm}

# own_apt WORK COMMAND ...: apt with lists, cache and architecture of its own, and the machine's mirror and keys.
own_apt() {
  local work=$1 command=$2
  shift 2
  "$command" -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=- -o APT::Architecture=arm64 \
    -o APT::Architectures=arm64 -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" -o Dir::Cache::pkgcache= \
    -o Dir::Cache::srcpkgcache= -o Dir::State::status=/dev/null -o Acquire::Languages=none \
    -o APT::Install-Recommends=false -o APT::Sandbox::User=root \
    -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false "$@"
}

# open_apt WORK: fetches the lists.
open_apt() {
  local work=$1 mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg suite
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
    | grep -v security | head -n 1)
  [ -n "$mirror" ] || { echo "apt knows no mirror of Debian: run apt-get update" >&2; return 1; }
  mkdir -p "$work/lists/partial" "$work/archives/partial"
  for suite in "$SUITE" "$SUITE-updates"; do
    echo "deb [arch=arm64 signed-by=$keyring] $mirror $suite main"
  done > "$work/sources.list"
  own_apt "$work" apt-get -qq update
}

# fetch_with_dependencies WORK PACKAGE...: into WORK/archives, with what they depend on.
fetch_with_dependencies() {
  local work=$1
  shift
  own_apt "$work" apt-get -qq --yes --download-only -o Dpkg::Use-Pty=0 install "$@" > /dev/null
}

# fetch_alone WORK PACKAGE...: into WORK/alone, without what they depend on.
fetch_alone() {
  local work=$1
  shift
  mkdir -p "$work/alone"
  (cd "$work/alone" && own_apt "$work" apt-get -qq download "$@")
}

# kernel_package WORK META: the package that a kernel's metapackage stands for.
kernel_package() {
  own_apt "$1" apt-cache depends "$2" | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }'
}
