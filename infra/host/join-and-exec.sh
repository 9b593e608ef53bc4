#!/bin/sh
# Joins cgroups, then becomes the command:
#
#   join-and-exec.sh [-j CGROUP_PROCS_FILE]... [-c CPU_LIST] -- COMMAND [ARG...]
#
# A process that is moved after it has started has its first allocations and its first CPU time
# charged elsewhere. So this shell moves itself and then execs: same pid, same start time, and all
# that the command ever uses is counted. Exit 97: a cgroup could not be joined.
set -u
cpus=
while [ $# -gt 0 ]; do
  case $1 in
    -j) echo $$ > "$2" || exit 97; shift 2 ;;
    -c) cpus=$2; shift 2 ;;
    --) shift; break ;;
    *) echo "join-and-exec.sh: unknown option $1" >&2; exit 98 ;;
  esac
done
if [ -n "$cpus" ]; then
  exec taskset -c "$cpus" "$@"
fi
exec "$@"
