#!/usr/bin/env bash
# Run enclave-app.eif, not in debug mode, and check the parent and every enclave on it against the build.
# Needs nitro-cli, nitro-issuer, nitro-verifier and jq, and parent/proxies.sh running. Usage: run.sh [MEMORY_MIB] [CPUS] [--debug-mode]
set -euo pipefail

memory=${1:-2048} cpus=${2:-2} debug=${3:-}
nitro-cli run-enclave --eif-path enclave-app.eif --memory "$memory" --cpu-count "$cpus" ${debug:+"$debug"}
if [[ -n $debug ]]; then
  echo "debug mode: PCR0, 1 and 2 are zero, so no verifier and no key policy accepts it; see nitro-cli console" >&2
  exit 0
fi
pcr() { nitro-verifier measure enclave-app.eif --json | jq -r ".pcrs[\"$1\"]"; }
nitro-cli describe-enclaves >enclaves.json
nitro-issuer doctor --parent --describe-enclaves enclaves.json \
  --expect-pcr "0=$(pcr 0)" --expect-pcr "1=$(pcr 1)" --expect-pcr "2=$(pcr 2)"
