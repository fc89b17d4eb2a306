#!/usr/bin/env bash
# Show what runs: each enclave's CID, state and flags. Needs nitro-cli and jq. Usage: describe.sh
set -euo pipefail

nitro-cli describe-enclaves | jq -r '.[] | "\(.EnclaveName) \(.EnclaveID) CID \(.EnclaveCID) \(.State) flags \(.Flags)"'
