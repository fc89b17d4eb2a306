#!/usr/bin/env bash
# Prove the Dockerfile's steps where no Docker engine runs: the build stage twice, from the files that
# Dockerfile.dockerignore lets through, into two folders that must hold the same bytes; then the ENTRYPOINT, which must
# find everything but the NSM. Needs Python 3.11+ with venv, git, and a package index.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

proved() { printf '  proved    %s\n' "$*"; }
die() { printf 'prove: %s\n' "$*" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

context() {
  # shellcheck disable=SC2046  # the paths have no spaces
  git ls-files --cached --others --exclude-standard -- \
    $(sed -n 's/^!//p' examples/enclave-app/Dockerfile.dockerignore) | while read -r name; do
    [[ -e $name ]] && printf '%s\n' "$name"
  done
}

build() {  # in a folder of its own, at the same path both times, as in two containers
  rm -rf "$work/src" "$work/prefix"
  mkdir "$work/src"
  context | tar --create --files-from=- | tar --extract --directory="$work/src"
  (cd "$work/src" && sh examples/enclave-app/install.sh "$work/prefix" >"$work/install.log" 2>&1) || {
    tail -n 20 "$work/install.log" >&2
    die "the build stage failed"
  }
}

state() {  # every path with its mode, its time and what it holds
  (cd "$work/prefix" && find . -printf '%p %M %T@ %l\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum) |
    sha256sum
}

build
first=$(state)
proved "the locks install with hashes, from wheels only: $(du -sh "$work/prefix" | cut -f1)"
build
[[ $(state) == "$first" ]] || die "two builds differ"
proved "a second build makes the same bytes, modes and times"

mapfile -t entrypoint < <(python3 - <<'PY'
import json, re
stage = open("examples/enclave-app/Dockerfile").read().split("\nFROM ")[-1]
print("\n".join(json.loads(re.search(r"^ENTRYPOINT (\[.*\])$", stage, re.MULTILINE)[1])))
PY
)
run() { (cd / && env -i PATH="$work/prefix/bin" PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 "$@" 2>&1 || true); }
said=$(run "${entrypoint[@]}")
[[ $said == *"SettingsError: missing settings: ENCLAVE_KMS_KEY_ARN, ENCLAVE_POLICY"* ]] || die "it said: $said"
proved "built without its arguments, it serves nobody"
said=$(run ENCLAVE_POLICY=p ENCLAVE_KMS_KEY_ARN=arn:aws:kms:eu-west-1:123456789012:key/1 "${entrypoint[@]}")
[[ $said == *"NsmUnavailableError: opening /dev/nsm"* ]] || die "it said: $said"
proved "the ENTRYPOINT finds everything but an NSM, and then serves nobody"
printf '%s\n' "not proved here: Docker's own reading of the Dockerfile, the base image, nitro-cli, an enclave."
