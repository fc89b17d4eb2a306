#!/bin/sh
# Install the application below PREFIX, the same bytes each time: what the image's build stage does, as a script so that
# prove.sh does exactly the same. Usage: install.sh PREFIX, in the root of the repository.
set -eu

prefix=$1

sh deploy/install.sh "$prefix" examples/enclave-app/requirements.txt
site=$("$prefix/bin/python" -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cp -R examples/enclave-app/enclave_app "$site/"

# What differs from one build to the next: compiled Python holds the times of its sources, and files have times.
find "$prefix" -depth -name __pycache__ -exec rm -rf {} +
find "$prefix" -exec touch --no-dereference --date=@"${SOURCE_DATE_EPOCH:-0}" {} +
