"""The deployments of a day-to-day DAG; each gets a mapped task of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from infomart_dr import topology
from infomart_dr.operators.base import page
from infomart_dr.operators.clearing import advising

if TYPE_CHECKING:
    from airflow.sdk import Context


class ListDeployments(BaseOperator):
    """List the deployments of the topology folder, or only the one that the run names."""

    changes: ClassVar[str] = "nothing"
    clear_from: ClassVar[str] = ""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("doc_md", page(self.__doc__, "", "Airflow's machine", self.changes, "nothing to undo"))
        super().__init__(**kwargs)

    def execute(self, context: Context) -> list[str]:
        asked = str(context["params"].get("deployment") or "")
        with advising(self, context):
            if asked:
                topology.topology_file(asked)
            names = [asked] if asked else topology.deployments()
        self.log.info("observe: %d deployment(s): %s", len(names), ", ".join(names))
        return names
