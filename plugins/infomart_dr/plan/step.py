"""The tools of a step at run time: topology, plan, and the hooks of both sites, created on first use."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Self

from infomart_dr.deployment import Deployment, SiteAccess
from infomart_dr.errors import InfoMartError, PermanentError
from infomart_dr.plan.epochs import Epochs, State
from infomart_dr.plan.ledger import Ledger
from infomart_dr.plan.lock import PlanLock
from infomart_dr.plan.runs import Runs
from infomart_dr.topology import Pair, SiteRole, Topology
from infomart_dr.values import JsonObject

if TYPE_CHECKING:
    from airflow.sdk import DAG, Context

    from infomart_dr.hooks.oracle import InfoMartOracleHook

log = logging.getLogger(__name__)

#: Plan id of the deployment's own fact about the plan whose capture runs; no run id can equal it.
REPLICATION = "(replication)"


#: Key of a result that says nothing worth a message.
NOTHING_DONE = "nothing_done"

#: Key of a DAG's ``default_args``: its source is the lost site, and its target the survivor.
FAILOVER = "failover"


def is_failover(dag: DAG) -> bool:
    """The DAG is a failover: it was declared with ``step_defaults(failover=True)``."""
    return bool((dag.default_args or {}).get(FAILOVER))


def plan_key(plan_id: str) -> str:
    """Eight characters that depend on the plan only; part of job names and folders."""
    return hashlib.sha1(plan_id.encode(), usedforsecurity=False).hexdigest()[:8]


@dataclass
class Observation:
    """The state of the outside world as a step or a guard found it.

    :param satisfied: the goal is reached.
    :param summary: one sentence for the log.
    :param details: small JSON values that the step returns.
    """

    satisfied: bool
    summary: str
    details: JsonObject = field(default_factory=dict)


class Step:
    """Topology, plan and hooks of one task.

    :param deployment: name of the deployment; empty when there is only one topology file.
    :param source: site name; empty for the active site.
    :param target: site name; empty for the only new or standby site.
    :param failover: the source is the lost site, and the target the survivor.
    :param plan_id: the plan; the id of an older one resumes that plan.
    :param params: the run's parameters.
    :param task: id of the task, with the index of a mapped one.
    :param attempt: Airflow's number of the try; it grows with each retry and each clear.
    :param teardown: the task is a teardown.
    """

    def __init__(
        self,
        *,
        deployment: str = "",
        source: str = "",
        target: str = "",
        failover: bool = False,
        plan_id: str,
        params: Mapping[str, object] | None = None,
        owner: str = "",
        requester: str = "",
        run_after: datetime | None = None,
        runs: Runs | None = None,
        task: str = "",
        attempt: int = 1,
        teardown: bool = False,
    ) -> None:
        self._deployment, self._source, self._target = deployment, source, target
        self.failover = failover
        self.plan_id = plan_id
        self.params: JsonObject = dict(params or {})
        self.owner = owner
        #: Airflow's user who started the run; empty for a schedule.
        self.requester = requester
        #: Time at which the run was requested; clearing the run does not change it.
        self.run_after = run_after
        self.runs = runs or Runs()
        self._task, self._attempt, self._teardown = task, attempt, teardown
        self.deployment = Deployment(deployment)

    @classmethod
    def from_context(cls, context: Context) -> Self:
        """The step of a running task."""
        params = dict(context["params"])
        run = context["dag_run"]
        failover = is_failover(context["dag"])
        if "failed_site" in params and not failover:
            # Taken for another procedure, it would ask the lost site and take the lock there.
            raise PermanentError(
                f"The DAG {run.dag_id} has the parameter failed_site, and is not declared as a failover.",
                "Give the DAG default_args=step_defaults(failover=True).",
            )
        return cls(
            deployment=params.get("deployment") or "",
            source=params.get("failed_site" if failover else "source") or "",
            target=params.get("survivor" if failover else "target") or "",
            failover=failover,
            plan_id=params.get("plan") or run.run_id,
            params=params,
            owner=f"{run.dag_id} {run.run_id}",
            requester=getattr(run, "triggering_user_name", None) or "",
            run_after=getattr(run, "run_after", None),
            runs=Runs(context.get("ti")),
            **_try_of(context),
        )

    def arguments(self) -> JsonObject:
        """The arguments with which a trigger creates the same step; plain JSON, no secrets."""
        return {
            "deployment": self._deployment,
            "source": self._source,
            "target": self._target,
            "failover": self.failover,
            "plan_id": self.plan_id,
            "params": {key: value for key, value in self.params.items() if _is_plain(value)},
            "owner": self.owner,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that were opened."""
        self.deployment.close()

    # -- the plan ----------------------------------------------------------------------------------

    @property
    def topology(self) -> Topology:
        return self.deployment.topology

    @cached_property
    def pair(self) -> Pair:
        pair = self.topology.failover_pair if self.failover else self.topology.pair
        return pair(self._source or None, self._target or None)

    @property
    def ledger_role(self) -> SiteRole:
        """Role of the surviving site, which has lock and ledger."""
        return "target" if self.failover else "source"

    @property
    def key(self) -> str:
        """Eight characters that depend on the plan only; part of job names and folders."""
        return plan_key(self.plan_id)

    def at(self, role: SiteRole) -> SiteAccess:
        """The site behind a role, with its programs and databases."""
        return self.deployment.at(self._name(role))

    def _name(self, role: SiteRole) -> str:
        """Site of a role; the source is known even without a target."""
        if role == "source" and not self.failover:
            return self._source or self.topology.active_site
        return self.pair.name(role)

    @property
    def schema(self) -> str:
        """The Info Mart's schema."""
        return self.topology.info_mart.schema_name

    @property
    def plan_folder(self) -> str:
        """Folder of this plan on a host, below its work folder."""
        return f"plans/{self.key}"

    @cached_property
    def ledger(self) -> Ledger:
        """Recorded facts of the plan, at the surviving site."""
        return self._ledger(self.plan_id)

    @cached_property
    def replications(self) -> list[Ledger]:
        """At both sites the entry about the plan whose capture runs; a replaced plan finds the other's id there.

        The ledger site comes first. In a failover the other one is lost and is left out.
        """
        roles: tuple[SiteRole, ...] = ("target",) if self.failover else ("source", "target")
        return [self._ledger(REPLICATION, role) for role in roles]

    def _ledger(self, plan_id: str, role: SiteRole | None = None) -> Ledger:
        return Ledger.at(self.deployment, self._name(role or self.ledger_role), plan_id)

    @cached_property
    def lock(self) -> PlanLock:
        return PlanLock.at(self.deployment, self._name(self.ledger_role))

    @cached_property
    def epochs(self) -> Epochs:
        """The notes of the sites about the deployment's runs. A lost site is neither told nor asked."""
        keeper = self._name(self.ledger_role)
        lost = self._name("source") if self.failover else ""
        try:
            pair = {self.pair.source, self.pair.target}
        except InfoMartError:
            # The procedure works at one site.
            pair = {keeper}
        others = tuple(
            name
            for name, site in self.topology.sites.items()
            if name not in (keeper, lost) and (name in pair or site.role in ("active", "standby"))
        )
        return Epochs(self.deployment, keeper, others, self.plan_id, self.owner)

    def enter(self, *, backs_out: bool = False) -> None:
        """Prove that this try may act. From here on each of its changes is checked where it happens.

        :param backs_out: it begins the run's back-out: no other step of the run may act any more.
        :raises GuardError: the run does not hold the lock, or its back-out has begun.
        :raises OvertakenError: a newer try of the task acts.
        """
        self.lock.require(self.plan_id, self.owner)
        if backs_out and self.epochs.is_open():
            self.begin("back-out")
        else:
            self._enter()

    def begin(self, state: State = "open") -> None:
        """Begin an epoch of this run: what entered before may not act any more."""
        self.deployment.right = None
        self.epochs.begin(state)
        if state != "closed":
            self._enter()

    def _enter(self) -> None:
        self.deployment.right = None
        self.deployment.right = self.epochs.right(self._task, self._attempt, teardown=self._teardown)

    @property
    def holds_lock(self) -> bool:
        """This run of this plan holds the deployment's lock."""
        holder = self.lock.holder()
        return holder is not None and holder.is_run(self.plan_id, self.owner)

    def oracle(self, connection: str) -> InfoMartOracleHook:
        """Hook of any Airflow connection, with the topology's timeouts."""
        return self.deployment.oracle(connection)


def _try_of(context: Context) -> JsonObject:
    """The running try, as arguments of a step; none where no task runs, as for a message about a run."""
    task, dag = context.get("ti"), context["dag"]
    name = getattr(task, "task_id", "")
    if task is None or not name or not dag.has_task(name):
        return {}
    index = getattr(task, "map_index", -1)
    return {
        "task": name if index in (-1, None) else f"{name}[{index}]",
        "attempt": int(getattr(task, "try_number", 1) or 1),
        "teardown": dag.get_task(name).is_teardown,
    }


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool | type(None) | list | dict)
