#!/bin/sh
# Install the service below PREFIX from the hashed locks: what the image's build stage does, as a script so that
# deploy/prove-image.sh does exactly the same. Usage: install.sh PREFIX [LOCK], in the root of the source; another lock
# than the service's is for images of other programs, such as examples/enclave-app.
set -eu

prefix=$1
lock=${2:-requirements/service.txt}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The tools that build are kept out of what is shipped: no pip and no build backend in PREFIX.
python3 -m venv "$scratch/build"
pip="$scratch/build/bin/python -m pip --disable-pip-version-check --no-cache-dir -qq"
$pip install --require-hashes --no-deps --only-binary :all: -r requirements/build.txt
$pip wheel --no-deps --no-build-isolation --wheel-dir "$scratch/wheels" .

python3 -m venv --without-pip "$prefix"
$pip --python "$prefix/bin/python" install --require-hashes --no-deps --only-binary :all: -r "$lock"
# By name and not by path: pip would write the path down, and it differs from one build to the next.
$pip --python "$prefix/bin/python" install --no-deps --no-index --find-links "$scratch/wheels" nitro-verifier

# What was built is whole: nothing is missing, and the root of trust came along.
$pip --python "$prefix/bin/python" check
"$prefix/bin/python" -I -c '
import hashlib, importlib.resources, ssl
pem = importlib.resources.files("verifier").joinpath("certs/aws-nitro-root-g1.pem").read_text()
print("root of trust:", hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest())
'
