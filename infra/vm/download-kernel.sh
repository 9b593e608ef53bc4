#!/bin/sh
# A hook of mmdebstrap: fetches the kernel's package with the new system's own apt (same sources,
# same signatures) and unpacks the image and the virtio drivers into /kernel. The package itself is
# not installed: it would pull in and run an initramfs generator, whose result boots several times
# slower than the ten files that a virtual machine needs.
#
#   download-kernel.sh ROOT META_PACKAGE
set -eu
root=$1
meta=$2
work=$root/kernel
mkdir -p "$work/unpacked"
cd "$work"
# linux-image-cloud-amd64 → linux-image-6.1.0-56-cloud-amd64
image=$(apt-cache depends --important "$meta" |
  sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
image=${image:-$meta}
apt-get download -qq "$image"
dpkg-deb -x ./*.deb unpacked
rm -f ./*.deb
mv unpacked/boot/vmlinu[xz]-* vmlinuz
echo "$image" > package
mkdir modules
# usr/lib where /usr is merged
find unpacked -name '*.ko*' | grep -E \
  '/(virtio|virtio_ring|virtio_pci|virtio_pci_modern_dev|virtio_pci_legacy_dev|virtio_mmio|virtio_blk|virtio_net|net_failover|failover|virtio_balloon|virtio-rng|rng-core)\.ko(\.xz|\.zst|\.gz)?$' |
  while read -r module; do cp "$module" modules/; done
# Node, which makes the initramfs, can read gzip and zstd only
for module in modules/*.xz; do [ -e "$module" ] && xz -d "$module"; done
rm -rf unpacked
