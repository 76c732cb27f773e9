#!/usr/bin/env bash
# The broker, with its password from a file: it gets its settings on standard input, so that ps shows none.
#
#   bash deploy/redis.sh start | health
set -euo pipefail
secrets=${INFOMART_SECRETS:-/run/secrets}
port=${INFOMART_REDIS_PORT:-6379}
password=$(tr -d '\n' <"$secrets/redis_password")

case ${1:-} in
start)
    # Nothing is kept: after a restart Airflow queues the tasks again that had not begun.
    exec redis-server - <<END
bind ${INFOMART_REDIS_BIND:-0.0.0.0}
port $port
requirepass $password
save ""
appendonly no
maxmemory-policy noeviction
END
    ;;
health)
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'AUTH %s\r\nPING\r\n' "$password" >&3
    read -r -t 3 login <&3
    read -r -t 3 answer <&3
    [ "${login%$'\r'}" = +OK ] && [ "${answer%$'\r'}" = +PONG ]
    ;;
*)
    echo "usage: redis.sh start|health" >&2
    exit 2
    ;;
esac
