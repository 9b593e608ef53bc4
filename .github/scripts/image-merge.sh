#!/usr/bin/env bash
# One index of the images of all architectures, under its tags: `image-merge.sh DIGESTS`, a folder with
# one folder for each (image-digest.sh). Prints name, digest and reference of the index.
set -euo pipefail
digests=${1:?usage: image-merge.sh DIGESTS}
here=$(dirname "$0")
name=$(bash "$here/image-tags.sh" name)
name=${name#name=}
tags=$(bash "$here/image-tags.sh" tags)
sources=()
for folder in "$digests"/*/; do
  reference=$(bash "$here/image-digest.sh" reference "$folder")
  sources+=("${reference#reference=}")
done
[ "${#sources[@]}" -eq 2 ] || { echo "two architectures are published, not ${#sources[@]}" >&2; exit 1; }
arguments=()
for tag in $tags; do arguments+=(--tag "$name:$tag"); done
docker buildx imagetools create "${arguments[@]}" "${sources[@]}" >&2
digest=$(docker buildx imagetools inspect --format '{{json .Manifest}}' "$name:${tags%%$'\n'*}" | jq -r .digest)
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || { echo "the index has no digest" >&2; exit 1; }
printf 'name=%s\ndigest=%s\nreference=%s@%s\n' "$name" "$digest" "$name" "$digest"
