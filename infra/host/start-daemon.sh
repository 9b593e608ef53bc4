#!/bin/sh
# Starts a daemon on a host where no service manager runs (a container, a minimal machine):
#
#   start-daemon.sh LOG PID_FILE COMMAND [ARG...]
#
# In a session of its own, so that it outlives the terminal; its output goes to LOG, its pid to
# PID_FILE. Does nothing where the daemon of PID_FILE still runs. Whether it answers is for the
# caller to see.
set -eu
log=$1
pid_file=$2
shift 2
if [ -s "$pid_file" ]; then
  # the pid may be another process's by now
  running=$(cat "/proc/$(cat "$pid_file")/comm" 2> /dev/null || true)
  if [ "$running" = "${1##*/}" ]; then exit 0; fi
fi
PATH=$PATH:/usr/sbin:/sbin
export PATH
setsid "$@" >> "$log" 2>&1 < /dev/null &
pid=$!
echo "$pid" > "$pid_file"
# Until it is the daemon itself (or has ended): from then on PID_FILE can be trusted.
tries=0
while [ "$(cat "/proc/$pid/comm" 2> /dev/null || echo ended)" != "${1##*/}" ]; do
  kill -0 "$pid" 2> /dev/null || exit 0
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || exit 0
  sleep 0.05
done
