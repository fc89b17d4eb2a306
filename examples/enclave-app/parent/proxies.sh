#!/usr/bin/env bash
# The enclave's two ways out, until this script ends: vsock port 8000 leads to KMS, 8080 to the verifier, and no port
# anywhere else. Usage: proxies.sh REGION VERIFIER_HOST VERIFIER_PORT
set -euo pipefail

region=${1:?REGION} host=${2:?VERIFIER_HOST} port=${3:?VERIFIER_PORT}
allowed=$(mktemp)
trap 'rm -f "$allowed"; kill $(jobs -p) 2>/dev/null || true' EXIT
cat >"$allowed" <<END
allowlist:
- {address: kms.$region.amazonaws.com, port: 443}
- {address: $host, port: $port}
END

nitro-issuer forward vsock:any:8000 "tcp:kms.$region.amazonaws.com:443" --allow-list "$allowed" &
nitro-issuer forward vsock:any:8080 "tcp:$host:$port" --allow-list "$allowed" &
wait -n  # when one ends, so does the other: an enclave with half of its ways would only look alive
