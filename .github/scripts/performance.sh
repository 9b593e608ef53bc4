#!/usr/bin/env bash
# `bench:pr` on a merge commit against its first parent: `performance.sh FOLDER`. A machine that is too
# noisy for a verdict (exit 4) is a warning; a regression (5), or what cannot be built (3), fails.
set -euo pipefail
out=${1:?usage: performance.sh FOLDER}
status=0
npm run --silent bench:pr -- 'HEAD^1' HEAD --targets bare,docker --pairs 10 --out "$out" || status=$?
if [ "$status" -eq 4 ]; then
  echo '::warning::no verdict: the runner was too busy or too noisy'
  exit 0
fi
exit "$status"
