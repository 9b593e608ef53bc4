#!/usr/bin/env bash
# Starts IMAGE as it is meant to run, hardened, and waits until it is ready: `image-smoke.sh IMAGE`.
set -euo pipefail
image=${1:?usage: image-smoke.sh IMAGE}
name=scratchpad-smoke-$$
finish() { docker rm --force --volumes "$name" >/dev/null 2>&1 || true; }
trap finish EXIT
docker run --detach --name "$name" --read-only --cap-drop=ALL --security-opt=no-new-privileges \
  --tmpfs=/tmp --memory=256m --publish=127.0.0.1::5001 "$image" >/dev/null
address=$(docker port "$name" 5001/tcp | head -n 1)
for _ in $(seq 1 100); do
  if curl --fail --silent --max-time 2 "http://$address/readyz" >/dev/null; then
    curl --fail --silent --max-time 2 "http://$address/" | grep -q '<html'
    echo "$image answers"
    exit 0
  fi
  sleep 0.1
done
echo "$image does not answer; its log:" >&2
docker logs "$name" >&2
exit 1
