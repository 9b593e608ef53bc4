#!/bin/sh
# Where no udev runs, /dev/kvm is root's alone. udev's own rule would make it the group kvm's, and so
# does this. Without it libvirtd, which may open it, and its QEMU, which may not, do not agree whether
# there is KVM, and libvirtd asks QEMU anew at each question: minutes for one machine.
set -eu
[ -c /dev/kvm ] || exit 0
getent group kvm >/dev/null || exit 0
[ "$(stat -c %U:%G:%a /dev/kvm)" = root:root:600 ] || exit 0
chgrp kvm /dev/kvm
chmod 0660 /dev/kvm
