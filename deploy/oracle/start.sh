#!/usr/bin/env bash
# NOT RUN BY THIS PROJECT'S TESTS. SSH for the user oracle on port 2222, without root; then the image's own start.
set -euo pipefail
keys=/home/oracle/.infomart_ssh
mkdir -p -m 0700 "$keys"
[ -s "$keys/host_key" ] || ssh-keygen -q -t ed25519 -N '' -f "$keys/host_key"
install -m 0600 /run/secrets/ssh_key_public "$keys/authorized_keys"
/usr/sbin/sshd -p 2222 -h "$keys/host_key" -o UsePAM=no -o PasswordAuthentication=no -o PidFile=none \
    -o AuthorizedKeysFile="$keys/authorized_keys" -o Subsystem="sftp internal-sftp"
echo "host key: $(cat "$keys/host_key.pub")"
exec /opt/oracle/runOracle.sh
