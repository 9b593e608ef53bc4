#!/usr/bin/env bash
# The published index under the same tags elsewhere: `image-copy.sh REFERENCE NAME`.
set -euo pipefail
usage='usage: image-copy.sh REFERENCE NAME'
reference=${1:?$usage} name=${2:?$usage}
tags=$(bash "$(dirname "$0")/image-tags.sh" tags)
arguments=()
for tag in $tags; do arguments+=(--tag "$name:$tag"); done
docker buildx imagetools create "${arguments[@]}" "$reference"
