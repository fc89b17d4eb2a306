#!/usr/bin/env bash
# Prove the Dockerfile's steps where no Docker engine runs. Needs Debian or Ubuntu, root for namespaces, debootstrap.
#
# Builds with the same deploy/install.sh from the same files (.dockerignore decides) in a clean Debian root. Then starts
# what the Dockerfile's ENTRYPOINT and CMD say, as its USER with its ENV and nothing else: read-only root, private /tmp
# and /data, no network but loopback, no capabilities. Asks its HEALTHCHECK, stops it with SIGTERM, and says what was
# shown and what was not.
#
# PROVE_ROOT=DIR keeps the clean root, and reuses that of an earlier run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*"; }
proved() { printf '  proved    %s\n' "$*"; }
die() { printf 'prove-image: %s\n' "$*" >&2; exit 1; }

[[ $(id -u) -eq 0 ]] || die "needs root (for namespaces), or a Docker engine: docker build ."
unshare --mount --pid --net --fork true 2>/dev/null || die "this machine allows no namespaces"

work=$(mktemp -d /var/tmp/prove-image.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
started=$SECONDS

# --- the Dockerfile's own words, last stage ---

instruction() { python3 - "$1" <<'PY'
import json, re, sys
last_stage = open("Dockerfile").read().split("\nFROM ")[-1].replace("\\\n", " ")
for line in re.findall(rf"^{sys.argv[1]}\s+(.*)$", last_stage, re.MULTILINE):
    line = line[line.index("CMD [") + 4:] if sys.argv[1] == "HEALTHCHECK" else line
    print("\n".join(json.loads(line)) if line.startswith("[") else line)
PY
}
mapfile -t entrypoint < <(instruction ENTRYPOINT)
mapfile -t cmd < <(instruction CMD)
mapfile -t healthcheck < <(instruction HEALTHCHECK)
mapfile -t environment < <(instruction ENV)
user=$(instruction USER)

# --- the build stage: a clean root, the context, the script ---

context() {  # what .dockerignore lets through; its lines are an allow-list of paths
  # shellcheck disable=SC2046  # the paths have no spaces
  git ls-files --cached --others --exclude-standard -- $(sed -n 's/^!//p' .dockerignore) | while read -r name; do
    [[ -e $name ]] && printf '%s\n' "$name"
  done
}

root=${PROVE_ROOT:-$work/root}
if [[ ! -d $root/usr ]]; then
  command -v debootstrap >/dev/null || die "needs debootstrap: apt-get install debootstrap"
  # The mirror is whatever this machine's apt uses; nothing of it is written down.
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | sort -u | head -n 1)
  say "making a clean root (debootstrap $suite)"
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$root" "$mirror" \
    >"$work/debootstrap.log" 2>&1 || { tail -n 5 "$work/debootstrap.log" >&2; die "debootstrap failed"; }
fi
rm -rf "$root/src" "$root/opt/nitro-verifier"
mkdir -p "$root/src"
context | tar --create --files-from=- | tar --extract --directory="$root/src"

# As in a Docker build, the root sees this machine's way to its package index, and only while it builds.
say "building in the clean root"
{
  echo "[global]"
  python3 -m pip config list 2>/dev/null | sed -nE "s/^(global|:env:)\.(index-url|cert)='(.*)'$/\2 = \3/p" | sort -u
} >"$work/pip.conf"
unshare --mount bash -euo pipefail -s -- "$root" "$work/pip.conf" <<'INNER'
root=$1 pip_conf=$2
mount --make-rprivate /
show() { [[ -e $1 ]] || return 0; touch "$root$2"; mount --bind "$(realpath "$1")" "$root$2"; }
show "$pip_conf" /etc/pip.conf
show /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
show /etc/resolv.conf /etc/resolv.conf
show /etc/hosts /etc/hosts
mount -t proc proc "$root/proc"
exec chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/root \
  sh -c 'cd /src && exec sh deploy/install.sh /opt/nitro-verifier' </dev/null
INNER
built=$((SECONDS - started))

# --- the last stage: run it as the image would be run ---

say "running as $user on a read-only root, loopback only"
unshare --mount --pid --net --ipc --uts --fork --kill-child bash -euo pipefail -s -- \
  "$root" "$user" "$PWD/policies" "${#environment[@]}" "${environment[@]}" \
  "${#healthcheck[@]}" "${healthcheck[@]}" "${entrypoint[@]}" "${cmd[@]}" <<'INNER'
root=$1 user=$2 policies=$3; shift 3
environment=("${@:2:$1}"); shift $(($1 + 1))
healthcheck=("${@:2:$1}"); shift $(($1 + 1))
command=("$@")
fail() { printf '  FAILED    %s\n' "$*"; sed 's/^/    | /' "$log" | tail -n 20; exit 1; }

mount --make-rprivate /
log=$(mktemp)
mount --bind "$root" "$root"
mkdir -p "$root/etc/nitro-verifier/policies" && mount --bind "$policies" "$root/etc/nitro-verifier/policies"
mkdir -p "$root/data" && mount -t tmpfs -o mode=0700,uid="${user%:*}",gid="${user#*:}" tmpfs "$root/data"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
python3 - <<'PY'
import fcntl, socket, struct  # `ip link set lo up`, without needing iproute2
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))
PY

enter=(chroot "$root" setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs
  --bounding-set=-all --inh-caps=-all env -i "${environment[@]}")
inside() { "${enter[@]}" "$@"; }
inside sh -c 'touch /probe' 2>/dev/null && fail "the root is writable"
inside sh -c 'touch /tmp/probe /data/probe && rm /tmp/probe /data/probe' || fail "/tmp or /data is not writable"
[[ $(inside id -u) == "${user%:*}" ]] || fail "wrong user"
inside python -m pip --version >/dev/null 2>&1 && fail "pip was shipped"
printf '  proved    %s\n' "user $user, read-only root, /tmp and /data writable, no pip, no capabilities"

"${enter[@]}" "${command[@]}" >"$log" 2>&1 </dev/null &  # not through the function: $! must be the service itself
pid=$!
begun=$(date +%s%N)
until inside "${healthcheck[@]}" 2>/dev/null; do
  kill -0 "$pid" 2>/dev/null || fail "${command[*]}: it ended before it was ready"
  (($(date +%s%N) - begun < 20000000000)) || fail "${command[*]}: not ready after 20 s"
  sleep 0.1
done
printf '  proved    %s\n' "${command[*]}: HEALTHCHECK passes after about $((($(date +%s%N) - begun) / 1000000)) ms"
inside python -c '
import pathlib, sys
status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{sys.argv[1]}/status").read_text().splitlines() if ":\t" in line)
sys.exit(not (status["Uid"].split()[1] == sys.argv[2] and int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1"))
' "$pid" "${user%:*}" || fail "the process is not what it should be"
kill -TERM "$pid"
code=0; wait "$pid" || code=$?
[[ $code -eq 0 ]] || fail "SIGTERM: exit $code"
printf '  proved    %s\n' "SIGTERM: it finishes and exits 0"
INNER

proved "the locks install with hashes, from wheels only, in a clean root ($built s with the root)"
proved "the wheel carries the root of trust; /opt/nitro-verifier takes $(du -sh "$root/opt/nitro-verifier" | cut -f1)"
say "not proved here: that the base image pulls, and its digest; Docker's own reading of the Dockerfile; the base's Python
(this root has $(chroot "$root" python3 --version)); other architectures than $(uname -m)."
