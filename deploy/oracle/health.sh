#!/usr/bin/env bash
# NOT RUN BY THIS PROJECT'S TESTS. The database is open and SSH answers.
set -euo pipefail
/opt/oracle/checkDBStatus.sh >/dev/null
exec 3<>/dev/tcp/127.0.0.1/2222
read -r -t 3 banner <&3
[ "${banner:0:4}" = SSH- ]
