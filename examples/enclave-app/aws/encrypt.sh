#!/usr/bin/env bash
# Make a secret that nobody has seen, and encrypt it for the enclave; the ciphertext is printed in base64.
# Needs AWS credentials with kms:Encrypt. Usage: encrypt.sh KEY_ARN > secret.b64
set -euo pipefail

key=${1:?KEY_ARN}
# Neither an argument nor a file holds it; the context is what enclave_app/settings.py pins.
aws kms encrypt --key-id "$key" --plaintext fileb://<(head -c 32 /dev/urandom) \
  --encryption-context application=enclave-app,secret=signing-key,version=1 \
  --query CiphertextBlob --output text
