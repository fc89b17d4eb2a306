#!/usr/bin/env bash
# End the enclave of this application, and no other. Its secret ends with it. Needs nitro-cli and jq. Usage: stop.sh
set -euo pipefail

nitro-cli describe-enclaves | jq -r '.[] | select(.EnclaveName == "enclave-app") | .EnclaveID' | while read -r id; do
  nitro-cli terminate-enclave --enclave-id "$id"
done
