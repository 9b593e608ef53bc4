#!/usr/bin/env bash
# Fails where an image is larger than its budget: `scripts/image-size.sh IMAGE [BUDGET_FILE]`.
# The budget is bytes on disk, uncompressed, as `docker image inspect` tells them.
set -euo pipefail
image=${1:?usage: image-size.sh IMAGE [BUDGET_FILE]}
file=${2:-$(dirname "$0")/../infra/docker/size-budget}
budget=$(grep -E '^[0-9]+$' "$file") || { echo "$file holds no number of bytes" >&2; exit 2; }
size=$(docker image inspect --format '{{.Size}}' "$image") || exit 2
echo "$image: $size bytes, budget $budget"
if [ "$size" -gt "$budget" ]; then
  echo "over budget by $((size - budget)) bytes: look at it with \`docker history $image\`, or raise $file with a reason" >&2
  exit 1
fi
