#!/usr/bin/env bash
# Let one role decrypt with a key, from the builds that a verifier's policy trusts, for one purpose, and nobody else.
# Needs AWS credentials, nitro-verifier and jq. Usage: key-policy.sh KEY_ARN ROLE_ARN POLICY.toml
set -euo pipefail

key=${1:?KEY_ARN} role=${2:?ROLE_ARN} policy=${3:?POLICY.toml}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The statements that say the same as the verifier's policy. Of what they allow the application needs Decrypt alone, and
# only in the encryption context that enclave_app/settings.py pins.
nitro-verifier policy kms "$policy" --principal "$role" >"$work/enclave.json"
aws kms get-key-policy --key-id "$key" --policy-name default --query Policy --output text >"$work/now.json"
jq --slurpfile now "$work/now.json" '
  .Statement |= map(if .Effect == "Allow" then
    .Action = "kms:Decrypt" |
    .Condition.StringEquals = {
      "kms:EncryptionContext:application": "enclave-app",
      "kms:EncryptionContext:secret": "signing-key",
      "kms:EncryptionContext:version": "1"
    } else . end) |
  .Statement = ($now[0].Statement | map(select(.Sid == "Administer"))) + .Statement
' "$work/enclave.json" >"$work/policy.json"
jq -e 'any(.Statement[]; .Sid == "Administer")' "$work/policy.json" >/dev/null || {
  echo "the key's policy has no statement Administer: nobody could change it again" >&2; exit 1; }

# Refused if anything in it gives plaintext to what is not attested.
nitro-verifier policy kms "$policy" --lint "$work/policy.json"
aws kms put-key-policy --key-id "$key" --policy-name default --policy "file://$work/policy.json"
