#!/bin/sh
# Installs the workload in a machine of VirtualBox, VMware or Parallels: same bundle, same Node
# binary, same hardened service as in the box that the CLI builds.
set -eu
from=/tmp/scratchpad
to=/opt/scratchpad
id scratchpad > /dev/null 2>&1 || useradd --system --home-dir /var/lib/scratchpad --shell /usr/sbin/nologin scratchpad
install -d "$to/bin"
install -m 755 "$from/node" "$to/bin/node"
rm -rf "$to/workload"
cp -R "$from/workload" "$to/workload"
chown -R root:root "$to"
chmod -R u=rwX,go=rX "$to"
cat > /etc/systemd/system/scratchpad.service << 'END'
[Unit]
Description=Scratch pad: the workload that is measured
After=network.target

[Service]
ExecStart=/opt/scratchpad/bin/node /opt/scratchpad/workload/server.mjs
Environment=NODE_ENV=production TZ=UTC SCRATCHPAD_HOST=0.0.0.0 SCRATCHPAD_PORT=5001
Environment=SCRATCHPAD_DB_URL=file:/var/lib/scratchpad/scratchpad.db SCRATCHPAD_SEED=1
User=scratchpad
StateDirectory=scratchpad
WorkingDirectory=/var/lib/scratchpad
Restart=on-failure
TasksMax=256
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable scratchpad.service
# provisioned again, it runs what is installed now
systemctl restart scratchpad.service
rm -rf "$from"
