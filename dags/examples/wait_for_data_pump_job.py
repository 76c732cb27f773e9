"""A copy of an export that a database administrator starts by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param, task

from infomart_dr.sensors import DataPumpJobSensor

with DAG(
    dag_id="example_wait_for_data_pump_job",
    description="Copy an export when its job has ended and its log says success",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={
        "job": Param(
            "NIGHTLY_EXPORT",
            type="string",
            pattern="^[A-Za-z][A-Za-z0-9_$#]*$",
            title="Job",
            description="JOB_NAME of the export",
        ),
        "site": Param(
            "", type="string", title="Site", description="Site of the job's database. Empty: the active site."
        ),
    },
    tags=["infomart", "example"],
):
    ended = DataPumpJobSensor(
        task_id="ended",
        job="{{ params.job }}",
        site="{{ params.site }}",
        check_log=True,
        deferrable=True,
        poke_interval=60,
        timeout=timedelta(hours=12),
        retries=3,
    )

    @task
    def copy_dump_set() -> None:
        """Your own copy stands here."""

    ended >> copy_dump_set()
