"""The plugin that Airflow's plugin manager loads."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class InfoMartDrPlugin(AirflowPlugin):
    """Registers the package by name; operators and triggers are imported from ``infomart_dr``."""

    name = "infomart_dr"
