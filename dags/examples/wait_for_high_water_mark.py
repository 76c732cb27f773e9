"""Your own report load, which begins when the calls of the day before are extracted."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, task

from infomart_dr.sensors import HighWaterMarkSensor

with DAG(
    dag_id="example_wait_for_high_water_mark",
    description="Load a report once the Info Mart holds all calls until the beginning of the run's day",
    schedule="30 0 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["infomart", "example"],
):
    extracted = HighWaterMarkSensor(
        task_id="extracted",
        # Midnight in UTC before the run.
        moment="{{ dag_run.run_after.strftime('%Y-%m-%dT00:00:00+00:00') }}",
        deferrable=True,
        poke_interval=60,
        timeout=timedelta(hours=6),
        retries=3,
    )

    @task
    def load_report() -> None:
        """Your own load stands here."""

    extracted >> load_report()
