"""Waits for replication."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from infomart_dr.errors import PermanentError
from infomart_dr.guards import markers
from infomart_dr.sensors.deployment_sensor import DeploymentSensor
from infomart_dr.triggers.condition import path_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReplicationCatchUpSensor(DeploymentSensor):
    """Wait until replication from one site to another has caught up, or until a given marker has arrived.

    Without ``marker`` it writes a row into DR_MARKER at the source and waits until the Replicat has applied it at the
    target. Then everything that was committed before the row is there too. The row's id depends on the run and the
    task and never on the try, so that a retry waits for the same row. The row is removed when it has arrived. While a
    plan of the procedures holds the lock, the sensor writes and removes no row.

    :param source: site that is replicated from; empty: the active site.
    :param target: site that is replicated to; empty: the new site, else the standby.
    :param marker: id of a marker that somebody else writes; the sensor then only waits for its arrival at ``target``,
        which must be given.
    """

    template_fields: Sequence[str] = (*DeploymentSensor.template_fields, "source", "target", "marker")
    probe = staticmethod(markers.caught_up)

    def __init__(self, *, source: str = "", target: str = "", marker: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.target = target
        self.marker = marker

    def arguments(self, context: Context) -> dict[str, Any]:
        if not self.marker:
            return {"source": self.source, "target": self.target, "key": marker_key(context)}
        if self.source or not self.target:
            raise PermanentError(
                "A marker is given without the one site at which it must arrive.", "Give target, and no source."
            )
        return {"site": self.target, "marker": self.marker}

    def question(self) -> str:
        return path_of(markers.is_at if self.marker else self.probe)


def marker_key(context: Context) -> str:
    """Prefix of the ids of a task's markers: the same in each of its tries, and in no other run or task."""
    instance = context["ti"]
    text = "\n".join(
        [str(instance.dag_id), str(instance.run_id), str(instance.task_id), str(getattr(instance, "map_index", -1))]
    )
    return f"sensor:{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:20]}"
