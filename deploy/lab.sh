#!/usr/bin/env bash
# The three-site lab in the foreground of its container; it ends in order on SIGTERM.
set -euo pipefail
export INFOMART_LAB_HOME=${INFOMART_LAB_HOME:-/lab}
trap 'python -m infomart_lab down; exit 0' TERM INT
python -m infomart_lab up --scenario "${LAB_SCENARIO:-return-to-normal}" --scale "${LAB_SCALE:-5000}" \
    --rate "${LAB_RATE:-20}"
# A dead part may be a rehearsed fault; the container ends only with the whole lab.
until python -m infomart_lab status --json | grep -q '"state": "down"'; do
    sleep 10 &
    wait $!
done
exit 1
