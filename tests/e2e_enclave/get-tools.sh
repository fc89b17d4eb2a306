#!/usr/bin/env bash
# Fetch and build what boots an enclave image without Nitro hardware; print the folder that holds it.
#
# Debian's QEMU packages lack the machine `nitro-enclave`, so QEMU is built from Debian's own source. The guest's kernel
# and busybox, the firmware and the vsock backend are downloaded and unpacked, never installed. All of it is kept here:
#
#   E2E_ENCLAVE_CACHE=DIR     instead of ${XDG_CACHE_HOME:-~/.cache}/nitro-verifier/e2e-enclave
#   E2E_ENCLAVE_REFRESH=1     look for newer packages now, rather than when the last look is a week old
#
# A folder of tools is named after the versions of its packages and this script's digest, gets its name when it is
# complete, and is checked against its list of digests before each use: what is half done, damaged or was made in another
# way is never used. Needs Debian bookworm on x86-64, and root if a build dependency has to be installed. The machine's
# apt configuration is read and not changed: the further suites stand in a list of their own in the cache, at the mirror
# that the machine uses already.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

readonly SUITE=bookworm REFRESH_DAYS=7
readonly BUILD_PACKAGES=(
  dpkg-dev gcc libc6-dev make ninja-build pkg-config python3 python3-venv python3-setuptools flex bison bzip2 patch
  xz-utils libglib2.0-dev libfdt-dev libcbor-dev libgnutls28-dev zlib1g-dev
)
readonly CONFIGURE=(
  --target-list=x86_64-softmmu --without-default-features --enable-system --enable-tcg --enable-fdt=system
  --enable-libcbor --enable-gnutls --enable-vhost-user --without-default-devices --with-devices-x86_64=nitro
  --disable-docs --disable-tools --disable-guest-agent --disable-user --disable-werror --disable-install-blobs
  --disable-debug-info -Doptimization=1
)
readonly MODULES=(
  drivers/virtio/virtio_mmio drivers/misc/nsm net/vmw_vsock/vsock net/vmw_vsock/vmw_vsock_virtio_transport_common
  net/vmw_vsock/vmw_vsock_virtio_transport net/vmw_vsock/vsock_loopback
)

cache=${E2E_ENCLAVE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nitro-verifier/e2e-enclave}
script=$(realpath "${BASH_SOURCE[0]}")
# Everything else that the machine sets for apt, such as proxies and credentials, stays in force.
apt=(
  -o "Dir::Etc::SourceList=$cache/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
  -o "Dir::Etc::Preferences=$cache/apt/preferences" -o Dir::Etc::PreferencesParts=/dev/null
  -o "Dir::State::Lists=$cache/apt/lists" -o "Dir::Cache=$cache/apt/cache" -o APT::Sandbox::User=root
  -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300
)

say() { printf 'e2e-enclave: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# --- what the machine must have ---

require_machine() {
  [[ $(uname -m) == x86_64 ]] || die "the guest is x86-64, and this machine is not"
  # shellcheck source=/dev/null
  [[ $(. /etc/os-release && echo "${VERSION_CODENAME:-}") == "$SUITE" ]] || die "needs Debian $SUITE"
}

install_build_packages() {
  local missing=() package
  for package in "${BUILD_PACKAGES[@]}"; do
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  [[ $(id -u) -eq 0 ]] || die "not root, so install this first: ${missing[*]}"
  say "installing ${missing[*]}"
  apt-get -qq update >&2
  apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "${missing[@]}" >&2
}

# --- which packages there are ---

mirror() {
  # shellcheck disable=SC2016  # apt fills the format in
  apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Release: $SUITE" 'Component: main' 'Origin: Debian' |
    sed -n 1p
}

# A mirror that lags behind is no reason to fail: what it holds is signed all the same.
look_for_packages() {
  local site options='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no]'
  say "looking for packages"
  site=$(mirror)
  if [[ -z $site ]]; then  # apt learns who is Debian when it updates
    apt-get -qq update >&2
    site=$(mirror)
  fi
  [[ -n $site ]] || die "apt has no source of Debian $SUITE main"
  mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial"
  printf 'Package: *\nPin: release n=sid\nPin-Priority: -1\n' >"$cache/apt/preferences"
  printf '%s\n' >"$cache/apt/sources.list" "deb $options $site $SUITE main" "deb $options $site $SUITE-backports main" \
    "deb-src $options $site trixie main" "deb $options $site sid main"
  apt-get "${apt[@]}" -qq update >&2
}

# One line for each package, with the version that there is now; QEMU's source last.
resolve() {
  local kernel package
  kernel=$(apt-cache "${apt[@]}" depends "linux-image-cloud-amd64/$SUITE-backports" | sed -n 's/^ *Depends: //p' | sed -n 1p)
  for package in "${kernel:?no kernel in backports}/$SUITE-backports" "qemu-system-data/$SUITE-backports" "seabios/$SUITE" \
    "busybox-static/$SUITE" "meson/$SUITE-backports" vhost-device-vsock/sid; do
    apt-cache "${apt[@]}" show --no-all-versions "$package" | sed -n "s|^Version: |${package%/*}=|p" | sed -n 1p
  done
  apt-cache "${apt[@]}" showsrc qemu | sed -n 's/^Version: /source:qemu=/p' | sort --version-sort | tail -n 1
}

# --- making the tools, in the current folder ---

download() {
  local binaries source
  mapfile -t binaries < <(grep -v '^source:' versions)
  source=$(sed -n 's/^source://p' versions)
  [[ ${#binaries[@]} -eq 6 && -n $source ]] || die "not every package was found: $(tr '\n' ' ' <versions)"
  say "downloading $(tr '\n' ' ' <versions)"
  apt-get "${apt[@]}" -qq download "${binaries[@]}" >&2
  apt-get "${apt[@]}" -qq source --download-only "$source" >&2
  for package in ./*.deb; do dpkg-deb --extract "$package" unpacked; done
}

build_qemu() {
  say "building QEMU, which takes some minutes"
  # apt has compared what it downloaded with the signed list.
  dpkg-source --no-check --extract ./qemu_*.dsc qemu >dpkg-source.log 2>&1
  echo CONFIG_NITRO_ENCLAVE=y >qemu/configs/devices/x86_64-softmmu/nitro.mak
  (
    # Meson as its package has it, without installing that.
    export PYTHONPATH=$PWD/unpacked/usr/lib/python3/dist-packages PATH=$PWD/unpacked/usr/bin:$PATH
    cd qemu
    nice ./configure --python=/usr/bin/python3 "${CONFIGURE[@]}" && nice ninja -C build qemu-system-x86_64
  ) >qemu.log 2>&1 || { tail -n 30 qemu.log >&2; die "QEMU was not built"; }
}

collect() {
  local module
  mkdir -p tools/firmware tools/modules
  cp qemu/build/qemu-system-x86_64 unpacked/usr/bin/vhost-device-vsock tools/
  cp unpacked/bin/busybox tools/busybox
  cp unpacked/usr/share/qemu/*.{bin,rom} unpacked/usr/share/seabios/*.bin tools/firmware/
  cp unpacked/boot/vmlinuz-* tools/vmlinuz
  for module in "${MODULES[@]}"; do
    xz --decompress --stdout "$(echo unpacked/lib/modules/*/kernel/"$module".ko.xz)" >"tools/modules/${module##*/}.ko"
  done
  cp versions tools/
  tools/qemu-system-x86_64 -machine help | grep '^nitro-enclave ' >&2 || die "this QEMU has no nitro-enclave"
  tools/vhost-device-vsock --version >&2
  (cd tools && find . -type f -print0 | sort --zero-terminated | xargs --null sha256sum) >SHA256SUMS
  mv SHA256SUMS tools/
}

make_tools() {
  local work
  work=$(mktemp --directory "$cache/work.XXXXXX")
  cp "$cache/versions" "$work/"
  (cd "$work"; download; build_qemu; collect)  # no condition, within which failures would be overlooked
  rm -rf "$1"
  mv "$work/tools" "$1"
  rm -rf "$work"
}

# --- which tools to use ---

is_intact() { [[ -d $1 ]] && (cd "$1" && sha256sum --check --strict --quiet SHA256SUMS >&2); }

is_recent() { [[ -n $(find "$cache/versions" -mtime "-$REFRESH_DAYS" 2>/dev/null) && -z ${E2E_ENCLAVE_REFRESH:-} ]]; }

folder() { printf '%s/tools-%s\n' "$cache" "$(cat "$script" "$cache/versions" | sha256sum | cut -c 1-16)"; }

require_machine
install_build_packages
mkdir -p "$cache"
exec 9>"$cache/lock"
flock --wait 1800 9 || die "another run holds $cache/lock"
rm -rf "$cache"/work.*  # of runs that were killed: this one holds the lock
if is_recent && is_intact "$(folder)"; then
  say "using what is in the cache: $(tr '\n' ' ' <"$cache/versions")"
else
  look_for_packages
  resolve >"$cache/versions.new"
  mv "$cache/versions.new" "$cache/versions"
  is_intact "$(folder)" || make_tools "$(folder)"
fi
folder
