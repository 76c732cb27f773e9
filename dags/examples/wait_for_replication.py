"""A report at the standby that starts only when the standby has everything committed before the run began."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from airflow.sdk import DAG, task

from infomart_dr.sensors import ReplicationCatchUpSensor

with DAG(
    dag_id="example_wait_for_replication",
    description="Read at the standby once replication has caught up with the active site",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["infomart", "example"],
):
    caught_up = ReplicationCatchUpSensor(
        task_id="caught_up",
        deferrable=True,
        poke_interval=10,
        timeout=timedelta(hours=1),
        retries=3,
    )

    @task
    def read_at_the_standby(found: dict[str, object]) -> None:
        """Your own query stands here."""
        logging.getLogger(__name__).info(
            "%s has everything until SCN %s of %s", found["target"], found["scn"], found["source"]
        )

    read_at_the_standby(caught_up.output)
