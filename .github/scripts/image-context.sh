#!/usr/bin/env bash
# dist/docker: the build context of the image, from a clean checkout on Ubuntu with Node and npm.
set -euo pipefail
cd "$(dirname "$0")/../.."
sudo apt-get update -q
# Debian's keys: the base is made from its packages, whatever the runner is
sudo apt-get install -y -q --no-install-recommends mmdebstrap debian-archive-keyring
npm ci --no-audit --no-fund
sudo env "PATH=$PATH" npx --no-install tsx scripts/docker-context.ts dist/docker
sudo chown -R "$(id -u)" dist/docker
