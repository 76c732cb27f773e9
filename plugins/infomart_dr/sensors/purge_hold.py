"""Waits for purge holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from infomart_dr.guards.purge_holds import holds_released
from infomart_dr.sensors.deployment_sensor import DeploymentSensor

if TYPE_CHECKING:
    from airflow.sdk import Context


class PurgeHoldReleasedSensor(DeploymentSensor):
    """Wait until no purge hold is active at the IDBs of a deployment, or until a given hold is no longer active.

    An id for which no hold was placed counts as released, and the result says so. A hold whose end has come stays
    active until ``infomart_purge_guard`` has ended it. IDBs of a lost site are not queried.

    :param hold: id of the hold: the run id of infomart_purge_hold, or ``plan`` and the id of a plan. Empty: every one.
    :param which: name of an IDB or of a site; empty: every IDB.
    """

    template_fields: Sequence[str] = (*DeploymentSensor.template_fields, "hold", "which")
    probe = staticmethod(holds_released)

    def __init__(self, *, hold: str = "", which: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hold = hold
        self.which = which

    def arguments(self, context: Context) -> dict[str, Any]:
        return {"hold": self.hold, "which": self.which}
