#!/bin/sh
# Stops the daemons that `doctor --install` started by hand, by the pids that it noted, the last one
# first. Daemons that were running before, or that systemd runs, are left alone.
set -u
for name in libvirtd virtlogd dockerd; do
  file="/run/scratchpad-$name.pid"
  [ -r "$file" ] || continue
  pid=$(cat "$file")
  # The pid may have been given to another program since: only a process of that name is stopped.
  if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ]; then
    kill "$pid"
    tries=0
    while [ -d "/proc/$pid" ] && [ "$tries" -lt 100 ]; do
      sleep 0.1
      tries=$((tries + 1))
    done
    [ -d "/proc/$pid" ] && echo "$name (pid $pid) does not end" >&2
  fi
  rm -f "$file"
done
exit 0
