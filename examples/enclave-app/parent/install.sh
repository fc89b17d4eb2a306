#!/usr/bin/env bash
# Make a fresh Amazon Linux 2023 instance a parent: nitro-cli, Docker, and what the enclave may take of the machine.
# Run as a user who may sudo, then log in again. Usage: install.sh [MEMORY_MIB] [CPUS]
set -euo pipefail

memory=${1:-2048} cpus=${2:-2}
((cpus >= 2 && cpus % 2 == 0)) || { echo "an enclave takes whole cores: 2, 4, 6... CPUs" >&2; exit 2; }

sudo dnf install -y aws-nitro-enclaves-cli aws-nitro-enclaves-cli-devel docker jq
sudo usermod -aG ne "$USER"
sudo usermod -aG docker "$USER"
sudo tee /etc/nitro_enclaves/allocator.yaml >/dev/null <<END
---
# Reserved for enclaves, and lost to the parent, which should keep 2 CPUs and 2 GiB.
memory_mib: $memory
cpu_count: $cpus
END
sudo systemctl enable --now docker.service
sudo systemctl enable nitro-enclaves-allocator.service
sudo systemctl restart nitro-enclaves-allocator.service
echo "log out and in again, so that the groups ne and docker count; then: nitro-issuer doctor --parent"
