"""Airflow DAGs' building blocks for disaster recovery and resync of a Genesys Info Mart."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

_INTEGRATION = "Genesys Info Mart"
#: Modules of the sensors for DAGs of other teams.
SENSOR_MODULES = (
    "infomart_dr.sensors.catch_up",
    "infomart_dr.sensors.data_pump_job",
    "infomart_dr.sensors.high_water_mark",
    "infomart_dr.sensors.purge_hold",
)


def get_provider_info() -> dict[str, Any]:
    """Information for Airflow's provider discovery."""
    return {
        "package-name": "infomart-dr",
        "name": "Genesys Info Mart disaster recovery",
        "description": "Disaster recovery and resync of a Genesys Info Mart on Oracle with GoldenGate.",
        "versions": [__version__],
        "integrations": [{"integration-name": _INTEGRATION, "tags": ["service"]}],
        "sensors": [{"integration-name": _INTEGRATION, "python-modules": list(SENSOR_MODULES)}],
        "triggers": [{"integration-name": _INTEGRATION, "python-modules": ["infomart_dr.triggers.condition"]}],
    }
