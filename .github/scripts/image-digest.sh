#!/usr/bin/env bash
# A digest as a file that goes from job to job.
#   image-digest.sh write FOLDER sha256:…
#   image-digest.sh reference FOLDER       reference=ghcr.io/owner/repository@sha256:…
set -euo pipefail
usage='usage: image-digest.sh write|reference FOLDER [DIGEST]'
folder=${2:?$usage}
check() { [[ $1 =~ ^sha256:[0-9a-f]{64}$ ]] || { echo "\"$1\" is no digest" >&2; exit 2; }; }
case ${1:-} in
  write)
    check "${3:?$usage}"
    mkdir -p "$folder"
    printf '%s\n' "$3" > "$folder/digest"
    ;;
  reference)
    digest=$(cat "$folder/digest")
    check "$digest"
    name=$(bash "$(dirname "$0")/image-tags.sh" name)
    echo "reference=${name#name=}@$digest"
    ;;
  *) echo "$usage" >&2; exit 2 ;;
esac
