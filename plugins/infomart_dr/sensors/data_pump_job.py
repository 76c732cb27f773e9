"""Waits for a Data Pump job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from infomart_dr.guards.data_pump_job import job_ended
from infomart_dr.hooks.parse_data_pump import Operation
from infomart_dr.sensors.deployment_sensor import DeploymentSensor

if TYPE_CHECKING:
    from airflow.sdk import Context


class DataPumpJobSensor(DeploymentSensor):
    """Wait until a Data Pump job no longer runs, whoever started it.

    :param job: JOB_NAME.
    :param site: site of the job's database; empty: the active site.
    :param job_owner: user that started it; empty: the user of the site's DBA connection.
    :param check_log: fail unless the job's log reports success. Without it, a job that failed, was stopped or never
        began counts as ended too.
    :param log_file: name in the site's Data Pump directory; empty: the job's name and ``.log``.
    :param operation: ``export`` or ``import``: the kind of log.
    """

    template_fields: Sequence[str] = (*DeploymentSensor.template_fields, "job", "site", "job_owner", "log_file")
    probe = staticmethod(job_ended)

    def __init__(
        self,
        *,
        job: str,
        site: str = "",
        job_owner: str = "",
        check_log: bool = True,
        log_file: str = "",
        operation: Operation = "export",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.site = site
        # BaseOperator's ``owner`` is the task's.
        self.job_owner = job_owner
        self.check_log = check_log
        self.log_file = log_file
        self.operation = operation

    def arguments(self, context: Context) -> dict[str, Any]:
        return {
            "site": self.site,
            "job": self.job,
            "owner": self.job_owner,
            "check_log": self.check_log,
            "log_file": self.log_file,
            "operation": self.operation,
        }
