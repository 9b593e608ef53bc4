#!/bin/busybox sh
# The first program of the guest. It does at once what a distribution's initramfs and a dozen early
# services would do one by one: loads the virtio drivers, mounts the disks, sets the address,
# writes the workload's configuration from the kernel command line, and becomes systemd.
#
# Lines that begin with "scratchpad:" are read by the host (console.ts), on the host's clock.
b=/bin/busybox
$b mount -t devtmpfs dev /dev
exec > /dev/console 2>&1 < /dev/null
echo 'scratchpad: userspace'
fail() {
  # not to stdout: await_disk's is captured
  echo "scratchpad: failed $*" > /dev/console
  $b sleep 1
  $b poweroff -f
}
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
for module in /modules/*.ko; do
  [ -e "$module" ] && { $b insmod "$module" || echo "scratchpad: warning insmod $module"; }
done

# The disks by their label: letters depend on the order of probing, and Vagrant adds its own.
await_disk() {
  read -r began rest < /proc/uptime
  while disk=$($b findfs "LABEL=$1" 2> /dev/null); [ -z "$disk" ]; do
    read -r now rest < /proc/uptime
    [ $((${now%.*} - ${began%.*})) -gt 10 ] && fail "no disk with the label $1"
    $b usleep 10000
  done
  echo "$disk"
}
$b mount -t ext4 -o noatime "$(await_disk scratchpad)" /root || fail 'cannot mount the root disk'
$b mount -t ext4 -o ro "$(await_disk artifact)" /root/opt/scratchpad ||
  fail 'cannot mount the artifact disk'

$b mount -t tmpfs -o mode=755,nosuid,nodev run /root/run
$b mkdir -p /root/run/scratchpad
environment=/root/run/scratchpad/environment
address=10.0.2.15/24
app_mac=
for word in $($b cat /proc/cmdline); do
  case $word in
    scratchpad.env.*) echo "${word#scratchpad.env.}" >> $environment ;;
    scratchpad.ssh=*)
      $b mkdir -m 700 /root/run/scratchpad/ssh
      echo "${word#scratchpad.ssh=}" | $b tr '~' ' ' > /root/run/scratchpad/ssh/authorized_keys
      ;;
    scratchpad.mac=*) app_mac=${word#scratchpad.mac=} ;;
  esac
done

# The interface of the plain path has a fixed address (QEMU's user network); others, of Vagrant's
# own, are left to mgmt.service.
$b ip link set lo up
for net in /sys/class/net/eth*; do
  [ -z "$app_mac" ] || [ "$($b cat "$net/address")" = "$app_mac" ] || continue
  name=${net##*/}
  $b ip addr add $address dev "$name"
  $b ip link set "$name" up
  $b ip route add default via 10.0.2.2 metric 100
  break
done

for folder in dev proc sys; do $b mount --move /$folder /root/$folder; done
echo 'scratchpad: systemd'
exec $b switch_root /root /sbin/init
