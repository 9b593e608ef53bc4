# Is the workload alive? GET /livez, which asks nothing of the database. Only bash builtins.
exec 3<> "/dev/tcp/127.0.0.1/${SCRATCHPAD_PORT:-5001}" || exit 1
printf 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 2 _ status _ <&3
[[ $status == 200 ]]
