"""Airflow DAGs' building blocks for disaster recovery and resync of a Genesys Info Mart."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """What Airflow's provider discovery reads."""
    return {
        "package-name": "infomart-dr",
        "name": "Genesys Info Mart disaster recovery",
        "description": "Disaster recovery and resync of a Genesys Info Mart on Oracle with GoldenGate.",
        "versions": [__version__],
    }
