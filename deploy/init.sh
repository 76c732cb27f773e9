#!/usr/bin/env bash
# Before the other services start: Airflow's tables, and the first user. Both may be repeated.
set -euo pipefail
secrets=${INFOMART_SECRETS:-/run/secrets}
airflow db migrate
# The password is asked for twice, and is in no command line. An existing user stays as it is.
password=$(tr -d '\n' <"$secrets/admin_password")
printf '%s\n%s\n' "$password" "$password" |
    airflow users create --username "${INFOMART_ADMIN:-admin}" --role Admin \
        --firstname Info --lastname Mart --email "${INFOMART_ADMIN:-admin}@localhost"
