"""Maintenance of the IDBs, which must not begin while a hold on their purging is active."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param, task

from infomart_dr.sensors import PurgeHoldReleasedSensor

with DAG(
    dag_id="example_wait_for_purge_holds",
    description="Maintain the IDBs when no purge hold is active; skip it today when a hold stays active for too long",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={
        "hold": Param("", type="string", title="Hold", description="Id of the hold to wait for. Empty: every hold."),
    },
    tags=["infomart", "example"],
):
    released = PurgeHoldReleasedSensor(
        task_id="released",
        hold="{{ params.hold }}",
        deferrable=True,
        poke_interval=60,
        timeout=timedelta(hours=2),
        # Skipped, and what follows with it: the next run tries again.
        soft_fail=True,
        retries=3,
    )

    @task
    def maintain() -> None:
        """Your own maintenance stands here."""

    released >> maintain()
