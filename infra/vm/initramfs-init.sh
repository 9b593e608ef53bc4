#!/bin/busybox sh
# The first program of the guest. It does at once what a distribution's initramfs and a dozen early
# services would do one by one: loads the virtio drivers, mounts the disks, sets the address,
# writes the workload's configuration from the kernel command line, and becomes systemd.
#
# Lines that begin with "scratchpad:" are read by the host (console.ts), on the host's clock.
#
# Programs are called by name alone: Debian's busybox then runs its own, many without exec, which
# under emulation is most of what such a script costs. For the same reason files are read by `read`.
# Those that it does exec it finds by /proc/self/exe: by path before /proc is there, and after.
/bin/busybox mount -t proc proc /proc
mount -t devtmpfs dev /dev
exec > /dev/console 2>&1 < /dev/null
echo 'scratchpad: userspace'
fail() {
  # not to stdout: await_disk's is captured
  echo "scratchpad: failed $*" > /dev/console
  sleep 1
  poweroff -f
}
mount -t sysfs sysfs /sys
for module in /modules/*.ko; do
  [ -e "$module" ] && { insmod "$module" || echo "scratchpad: warning insmod $module"; }
done

# The disks by their serial number, or, as Vagrant's have none, by the label of their file system;
# letters depend on the order of probing.
find_disk() {
  for block in /sys/block/vd*; do
    serial=
    read -r serial 2> /dev/null < "$block/serial"
    [ "$serial" = "$1" ] && { disk=/dev/${block##*/}; return; }
  done
  disk=$(findfs "LABEL=$1" 2> /dev/null)
}
await_disk() {
  read -r began rest < /proc/uptime
  while find_disk "$1"; [ -z "$disk" ]; do
    read -r now rest < /proc/uptime
    [ $((${now%.*} - ${began%.*})) -gt 10 ] && fail "no disk with the label $1"
    usleep 10000
  done
}
await_disk scratchpad
mount -t ext4 -o noatime "$disk" /root || fail 'cannot mount the root disk'
await_disk artifact
mount -t ext4 -o ro "$disk" /root/opt/scratchpad || fail 'cannot mount the artifact disk'

mount -t tmpfs -o mode=755,nosuid,nodev run /root/run
mkdir /root/run/scratchpad
environment=/root/run/scratchpad/environment
app_mac=
bridge=
read -r line < /proc/cmdline
for word in $line; do
  case $word in
    scratchpad.env.*) echo "${word#scratchpad.env.}" ;;
    scratchpad.mac=*) app_mac=${word#scratchpad.mac=} ;;
    scratchpad.bridge=*) bridge=${word#scratchpad.bridge=} ;;
    scratchpad.ssh=*) key=${word#scratchpad.ssh=} ;;
  esac
done > $environment
if [ -n "$key" ]; then
  mkdir -m 700 /root/run/scratchpad/ssh
  echo "${key%%~*} ${key#*~}" > /root/run/scratchpad/ssh/authorized_keys
fi

# The interface of QEMU's user network has a fixed address, that of the path "bridge" the one that
# the host gave it (MAC,ADDRESS); others, of Vagrant's own, are left to mgmt.service.
ip link set lo up
for net in /sys/class/net/eth*; do
  read -r mac < "$net/address"
  name=${net##*/}
  if [ "$mac" = "${bridge%,*}" ]; then
    ip addr add "${bridge#*,}" dev "$name"
    ip link set "$name" up
  elif [ -z "$app_mac" ] || [ "$mac" = "$app_mac" ]; then
    ip addr add 10.0.2.15/24 dev "$name"
    ip link set "$name" up
    ip route add default via 10.0.2.2 metric 100
  fi
done

for folder in dev sys proc; do mount --move /$folder /root/$folder; done
echo 'scratchpad: systemd'
exec /bin/busybox switch_root /root /sbin/init
