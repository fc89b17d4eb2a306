#!/usr/bin/env bash
# Build the image, make an EIF of it, measure that with two programs, and write the verifier's policy for it.
# Needs Docker, nitro-cli and nitro-verifier. Usage: build.sh KEY_ARN ROLE_ARN BUILD, such as v1
set -euo pipefail

key=${1:?KEY_ARN} role=${2:?ROLE_ARN} build=${3:?BUILD}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

docker build --file "$here/Dockerfile" --tag "enclave-app:$build" \
  --build-arg "KMS_KEY_ARN=$key" --build-arg POLICY=enclave-app "$here/../.."
nitro-cli build-enclave --docker-uri "enclave-app:$build" --output-file enclave-app.eif >build.json

# nitro-cli and the hypervisor read an EIF differently; nitro-verifier refuses a file on which they could differ, and
# this fails if it measured another image than nitro-cli did.
nitro-verifier policy diff build.json enclave-app.eif

rm -f enclave-app.toml
nitro-verifier policy new --eif enclave-app.eif --name enclave-app --build "$build" --role-arn "$role" -o enclave-app.toml
nitro-verifier policy lint enclave-app.toml
