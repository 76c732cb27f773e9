"""Watching: its schedule, its parameters, and one task instance per deployment."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param

from infomart_dr import settings
from infomart_dr.operators.base import step_defaults
from infomart_dr.operators.deployments import ListDeployments
from infomart_dr.operators.watch import WatchDeployment
from infomart_dr.runbook.frame import deployment_param


def params() -> dict[str, Param]:
    """Parameters of watching; a scheduled run has the defaults."""
    return {"deployment": deployment_param("Name of one topology. Empty: all topologies.")}


def watch_defaults() -> dict[str, Any]:
    """``default_args``: a survey that fails is retried once; the next scheduled run repeats it anyway."""
    return step_defaults() | {
        "retries": 1,
        # A survey limits itself by the topology's watch.run_limit; this ends one that hangs nevertheless.
        "execution_timeout": settings.watch_timeout(),
    }


def watch_deployments() -> Any:
    """List the deployments and survey each by itself; one that fails hides no other."""
    listed = ListDeployments(task_id="list_deployments")
    return WatchDeployment.mapped(
        listed.output,
        task_id="watch",
        max_active_tis_per_dagrun=settings.watch_at_a_time(),
    )
