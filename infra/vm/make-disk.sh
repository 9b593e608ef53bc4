#!/bin/sh
# Turns the packages' tree into the box: adds the guest's own files, users and trims, and writes a
# disk image without mounting anything. Runs as root or, for other users, in the user namespace of
# `mmdebstrap --unshare-helper`, so that owners come out right. Same input, same bytes.
#
#   make-disk.sh ROOT_TAR GUEST_TAR WORK_FOLDER DISK_SIZE
#
# Leaves in WORK_FOLDER: root.ext4, vmlinuz, kernel-package, busybox, modules/
set -eu
root_tar=$1
guest_tar=$2
work=$3
size=$4
umask 022
root=$work/root
mkdir "$root"
tar -C "$root" --numeric-owner -xpf "$root_tar"
mv "$root/kernel/vmlinuz" "$work/vmlinuz"
mv "$root/kernel/package" "$work/kernel-package"
mv "$root/kernel/modules" "$work/modules"
rmdir "$root/kernel"
cp -L "$root/bin/busybox" "$work/busybox"
# What no program reads; a mirror's address and its package lists have no place in an image either.
for name in doc man locale info lintian bash-completion zsh perl5; do rm -rf "$root/usr/share/$name"; done
rm -rf "$root"/etc/apt "$root"/var/lib/apt "$root"/var/cache/apt "$root"/var/log/*
tar -C "$root" --numeric-owner --owner=0 --group=0 -xpf "$guest_tar"

# Maintainer scripts did not run: the accounts are written here, with fixed numbers. `!` and `*` let
# nobody log in with a password.
cat > "$root/etc/passwd" << 'END'
root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
scratchpad:x:5001:5001::/var/lib/scratchpad:/usr/sbin/nologin
END
cat > "$root/etc/group" << 'END'
root:x:0:
tty:x:5:
disk:x:6:
utmp:x:43:
nogroup:x:65534:
systemd-journal:x:102:
scratchpad:x:5001:
END
printf 'root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\nscratchpad:!:19000::::::\n' > "$root/etc/shadow"
chmod 640 "$root/etc/shadow"
echo scratchpad > "$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 scratchpad\n::1 localhost\n' > "$root/etc/hosts"
: > "$root/etc/fstab"
# Empty: systemd makes one in memory. "uninitialized" would run the first-boot machinery.
: > "$root/etc/machine-id"
echo /bin/bash > "$root/etc/shells"
mkdir -p "$root/opt/scratchpad" "$root/var/lib/scratchpad" "$root/root" "$root/tmp" "$root/etc/dropbear"
chown 5001:5001 "$root/var/lib/scratchpad"
chmod 700 "$root/var/lib/scratchpad" "$root/root"
chmod 1777 "$root/tmp"
# keys come with each deployment, on the kernel command line
ln -s /run/scratchpad/ssh "$root/root/.ssh"
[ -e "$root/bin/sh" ] || ln -s dash "$root/bin/sh"
[ -e "$root/sbin/init" ] || ln -s ../lib/systemd/systemd "$root/sbin/init"

# One target, and no generator: they are a dozen programs that look for disks, consoles and
# init scripts which this guest does not have, one after the other, before the first unit starts.
units=$root/etc/systemd/system
ln -sf scratchpad.target "$units/default.target"
generators=$root/etc/systemd/system-generators
mkdir -p "$generators"
for generator in "$root"/usr/lib/systemd/system-generators/* "$root"/lib/systemd/system-generators/*; do
  [ -e "$generator" ] && ln -sf /dev/null "$generators/${generator##*/}"
done
# systemd reads the names of all units before it starts the first: those of hardware, sessions and
# first boots go. What is named here is shutting down, the journal and what others refer to.
for folder in "$root/lib/systemd/system" "$root/usr/lib/systemd/system"; do
  [ -d "$folder" ] || continue
  rm -rf "$folder"/*.wants "$folder"/*.requires "$folder"/*.d
  for unit in "$folder"/*; do
    case ${unit##*/} in
      basic.target | sysinit.target | sockets.target | timers.target | paths.target | slices.target) ;;
      local-fs.target | local-fs-pre.target | swap.target | network.target | multi-user.target) ;;
      shutdown.target | umount.target | final.target | poweroff.target | reboot.target | halt.target) ;;
      systemd-poweroff.service | systemd-reboot.service | systemd-halt.service) ;;
      rescue.target | rescue.service | emergency.target | emergency.service) ;;
      systemd-journald.service | systemd-journald.socket | system.slice | user.slice) ;;
      *) rm -f "$unit" ;;
    esac
  done
done
mkdir -p "$root/etc/systemd/journald.conf.d" "$root/etc/systemd/system.conf.d"
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=8M\n' > "$root/etc/systemd/journald.conf.d/box.conf"
printf '[Manager]\nDefaultTimeoutStopSec=15s\n' > "$root/etc/systemd/system.conf.d/box.conf"

find "$root" -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
# No checksums of inodes: the caller sets their times afterwards (ext4-times.ts). No reserve for root, or the
# workload's disk would be full before it is.
E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -F -t ext4 -b 4096 -m 0 -N 32768 -O ^metadata_csum -L scratchpad \
  -U 5c2a7c4d-0000-4000-8000-000000005001 -E hash_seed=5c2a7c4d-0000-4000-8000-000000005001,lazy_itable_init=0,lazy_journal_init=0 \
  -d "$root" "$work/root.ext4" "$size"
rm -rf "$root"
chmod -R a+rX "$work"
chmod a+w "$work/root.ext4"
