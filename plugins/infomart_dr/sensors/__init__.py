"""Sensors for your own DAGs: they query a deployment by its topology, and need no plan and no lock."""

from __future__ import annotations

from infomart_dr.sensors.catch_up import ReplicationCatchUpSensor
from infomart_dr.sensors.data_pump_job import DataPumpJobSensor
from infomart_dr.sensors.high_water_mark import HighWaterMarkSensor
from infomart_dr.sensors.purge_hold import PurgeHoldReleasedSensor

__all__ = [
    "DataPumpJobSensor",
    "HighWaterMarkSensor",
    "PurgeHoldReleasedSensor",
    "ReplicationCatchUpSensor",
]
