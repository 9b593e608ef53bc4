#!/usr/bin/env bash
# Fails where an image is larger than its budget: `scripts/image-size.sh IMAGE [BUDGET_FILE]`.
# 1: over budget. 2: image, budget or size cannot be read, which is no pass either.
#
# The budget is bytes on disk, uncompressed: the image's files in a tar archive, as `docker export`
# writes it. Not `docker image inspect`: its Size is of unpacked layers with one image store, with
# buildx's (containerd) of the compressed ones beside them.
set -euo pipefail
image=${1:?usage: image-size.sh IMAGE [BUDGET_FILE]}
file=${2:-$(dirname "$0")/../infra/docker/size-budget}
budget=$(grep -E '^[0-9]+$' "$file") || { echo "$file holds no number of bytes" >&2; exit 2; }
[[ $budget =~ ^[0-9]+$ ]] || { echo "$file holds more than one number of bytes" >&2; exit 2; }
# never started; an image that is not here is not pulled
container=$(docker create --pull=never "$image") || { echo "there is no image $image" >&2; exit 2; }
finish() { docker rm --volumes "$container" >/dev/null; }
trap finish EXIT
size=$(docker export "$container" | wc -c | tr -d ' ') || { echo "$image cannot be read" >&2; exit 2; }
[[ $size =~ ^[1-9][0-9]*$ ]] || { echo "the size of $image is told as \"$size\"" >&2; exit 2; }
echo "$image: $size bytes, budget $budget"
if [ "$size" -gt "$budget" ]; then
  echo "over budget by $((size - budget)) bytes: look at it with \`docker history $image\`, or raise $file with a reason" >&2
  exit 1
fi
