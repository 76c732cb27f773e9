#!/usr/bin/env bash
# Make the secrets of docker-compose.yaml, each once, in files that only their owner can read: nothing is overwritten.
#
#   bash deploy/make-secrets.sh [FOLDER]      default: deploy/secrets beside docker-compose.yaml
#
# INFOMART_POSTGRES and INFOMART_REDIS are host:port of the services; default: the compose services.
set -euo pipefail
umask 077
folder=${1:-$(dirname "$0")/secrets}
postgres=${INFOMART_POSTGRES:-postgres:5432}
redis=${INFOMART_REDIS:-redis:6379}
mkdir -p "$folder"

random() { # bytes of /dev/urandom as URL-safe base64
    head -c "$1" /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_'
}
make_once() { # name, content
    if [ ! -s "$folder/$1" ]; then
        printf '%s' "$2" >"$folder/$1"
        echo "made $folder/$1"
    fi
}
read_secret() { tr -d '\n' <"$folder/$1"; }

make_once postgres_password "$(random 24)"
make_once redis_password "$(random 24)"
make_once admin_password "$(random 15)"
make_once api_secret_key "$(random 32)"
make_once jwt_secret "$(random 48)"
# Without this key, Airflow cannot read the connections in its database: back it up with the database.
make_once fernet_key "$(random 32)"
make_once sql_alchemy_conn "postgresql+psycopg2://airflow:$(read_secret postgres_password)@$postgres/airflow"
make_once broker_url "redis://:$(read_secret redis_password)@$redis/0"
make_once result_backend "redis://:$(read_secret redis_password)@$redis/1"
make_once oracle_pwd "$(random 15)"
# Oracle's image has a user of its own, which reads these two; the folder is closed to all others on this host.
chmod 0644 "$folder/oracle_pwd"
# Filled by: infomart-dr connections TOPOLOGY --into connections.json
make_once connections.json '{}'
if [ ! -s "$folder/ssh_key" ]; then
    if command -v ssh-keygen >/dev/null; then
        ssh-keygen -q -t ed25519 -N '' -C infomart-dr -f "$folder/ssh_key"
        chmod 0644 "$folder/ssh_key.pub"
        echo "made $folder/ssh_key; put $folder/ssh_key.pub into authorized_keys of the hosts' users"
    else
        echo "no ssh-keygen here: put a private key into $folder/ssh_key" >&2
        : >"$folder/ssh_key"
    fi
fi
