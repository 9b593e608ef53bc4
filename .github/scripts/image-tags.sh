#!/usr/bin/env bash
# The image's name and tags, from GITHUB_REPOSITORY, GITHUB_REF and GITHUB_SHA.
#   image-tags.sh name    name=ghcr.io/owner/repository
#   image-tags.sh tags    one tag a line: sha-…, and latest on main or the version of a tag v…
set -euo pipefail
cd "$(dirname "$0")/../.."
case ${1:-} in
  name)
    # a registry takes no capital letters
    echo "name=ghcr.io/${GITHUB_REPOSITORY,,}"
    ;;
  tags)
    [[ $GITHUB_SHA =~ ^[0-9a-f]{40}$ ]] || { echo "GITHUB_SHA is no commit" >&2; exit 2; }
    echo "sha-${GITHUB_SHA:0:12}"
    case $GITHUB_REF in
      refs/heads/main) echo latest ;;
      refs/tags/v*)
        version=$(node -p 'require("./package.json").version')
        if [ "$GITHUB_REF" != "refs/tags/v$version" ]; then
          echo "the tag ${GITHUB_REF#refs/tags/} is not the version $version of package.json" >&2
          exit 1
        fi
        echo "$version"
        ;;
      *) echo "$GITHUB_REF is not published" >&2; exit 1 ;;
    esac
    ;;
  *) echo "usage: image-tags.sh name|tags" >&2; exit 2 ;;
esac
