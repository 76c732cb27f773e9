"""One plan at a time per deployment (rule 6): a row in GoldenGate's schema at the surviving site.

The lock does not expire. A plan that waits at a gate for hours still holds it, and a plan whose Airflow is lost has
left the deployment half changed. So only the plan itself releases the lock, or a person takes it over deliberately.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from infomart_dr.deployment import Deployment
from infomart_dr.errors import GuardError, code_of
from infomart_dr.plan.parameters import SHORTER_ID
from infomart_dr.text import cut
from infomart_dr.times import shown, utc
from infomart_dr.values import Bind, ColumnValue, Row

log = logging.getLogger(__name__)

_ALREADY_THERE = "ORA-00955"
_DUPLICATE = "ORA-00001"


class Statements(Protocol):
    """The part of InfoMartOracleHook that this module needs."""

    def select(self, name: str, identifiers: Mapping[str, str] | None = None, **binds: Bind) -> list[Row]: ...
    def value(self, name: str, identifiers: Mapping[str, str] | None = None, **binds: Bind) -> ColumnValue: ...
    def execute(self, name: str, identifiers: Mapping[str, str] | None = None, **binds: Bind) -> int: ...


@dataclass(frozen=True)
class Holder:
    """The plan and run that hold the lock; times are UTC."""

    plan_id: str
    owner: str
    reason: str
    taken_at: datetime
    heartbeat_at: datetime

    def is_run(self, plan_id: str, owner: str) -> bool:
        """This run of this plan holds the lock; several runs may resume one plan, one after the other."""
        return (self.plan_id, self.owner) == (plan_id, owner)

    def __str__(self) -> str:
        since, seen = shown(self.taken_at), shown(self.heartbeat_at)
        return f"plan {self.plan_id} of {self.owner} since {since} ({self.reason}; last sign of life {seen})"


def ensure_table(hook: Statements, schema: str, table: str, statement: str) -> None:
    """Create one of the procedures' own tables unless it exists; two plans may do it at the same time.

    :param table: DR_LOCK, DR_LEDGER or DR_MARKER.
    :param statement: the CREATE TABLE in ``include/sql``.
    """
    if hook.value("table_exists", owner=schema, table_name=table):
        return
    try:
        hook.execute(statement, {"schema": schema})
        log.info("Created the table %s.%s.", schema, table)
    except Exception as error:
        if code_of(error) != _ALREADY_THERE:
            raise


class PlanLock:
    """The lock of a deployment.

    :param hook: Oracle hook of the surviving site's ``goldengate_connection``.
    :param schema: GoldenGate's schema there.
    """

    def __init__(self, hook: Statements, schema: str, deployment: str) -> None:
        self._hook, self._schema, self._deployment = hook, schema, deployment
        self._in = {"schema": schema}

    @classmethod
    def at(cls, deployment: Deployment, site: str) -> Self:
        """The deployment's lock, in GoldenGate's schema at a site."""
        schema = deployment.site(site).goldengate.schema_name
        return cls(deployment.goldengate_database(site), schema, deployment.topology.name)

    def ensure_tables(self) -> None:
        """Create the tables of lock, ledger and marker where they are missing."""
        for table, statement in (
            ("DR_LOCK", "create_lock_table"),
            ("DR_LEDGER", "create_ledger_table"),
            ("DR_MARKER", "create_marker_table"),
        ):
            ensure_table(self._hook, self._schema, table, statement)

    def holder(self) -> Holder | None:
        """The holder of the lock; None when it is free or its table does not exist yet."""
        if not self._hook.value("table_exists", owner=self._schema, table_name="DR_LOCK"):
            return None
        rows = self._hook.select("lock_holder", self._in, deployment=self._deployment)
        if not rows:
            return None
        row = rows[0]
        return Holder(
            row["plan_id"],
            row["owner"],
            row["reason"] or "no reason given",
            utc(row["taken_at"]),
            utc(row["heartbeat_at"]),
        )

    def take(self, plan_id: str, owner: str, reason: str) -> Holder:
        """Take the lock; a run that already holds it may take it again.

        :param plan_id: the same for every step and retry of a plan.
        :param owner: the run that is responsible for it.
        :raises GuardError: another plan holds it, or another run of the same plan.
        """
        wanted = self._wanted(plan_id, owner, reason)
        self.ensure_tables()
        holder = self.holder()
        if holder is None:
            try:
                self._hook.execute("take_lock", self._in, **wanted)
                log.info("Plan %s holds the lock of %s.", plan_id, self._deployment)
            except Exception as error:
                if code_of(error) != _DUPLICATE:
                    raise
            # Read back: another run may have been first, or an earlier try whose reply was lost.
            holder = self.holder()
        if holder is None or not holder.is_run(plan_id, owner):
            raise self._held(holder)
        return holder

    def require(self, plan_id: str, owner: str) -> Holder:
        """Prove that a run still holds the lock, and record a sign of life.

        :raises GuardError: it does not.
        """
        holder = self.holder()
        if holder is None:
            raise GuardError(
                f"Plan {plan_id} no longer holds the lock of {self._deployment}; the lock is free.",
                "Clear take_lock with Downstream, or start a new run with this plan.",
            )
        if not holder.is_run(plan_id, owner):
            raise self._held(holder)
        self.heartbeat(plan_id)
        return holder

    def heartbeat(self, plan_id: str) -> bool:
        """Record a sign of life.

        :returns: False when the plan does not hold the lock.
        """
        return self._hook.execute("heartbeat_lock", self._in, deployment=self._deployment, plan_id=plan_id) == 1

    def release(self, plan_id: str) -> bool:
        """Release the plan's own lock.

        :returns: False when the plan did not hold it; another plan's lock is never touched.
        """
        if not self._hook.value("table_exists", owner=self._schema, table_name="DR_LOCK"):
            return False
        released = self._hook.execute("release_lock", self._in, deployment=self._deployment, plan_id=plan_id) == 1
        if released:
            log.info("Plan %s released the lock of %s.", plan_id, self._deployment)
        else:
            log.info(
                "Plan %s does not hold the lock of %s: %s.",
                plan_id,
                self._deployment,
                self.holder() or "free",
            )
        return released

    def take_over(self, plan_id: str, owner: str, reason: str, held_by: str) -> Holder:
        """Take the lock from a plan that a person has named and knows to be dead.

        :param held_by: the plan that loses the lock; a lock of any other plan stays.
        :raises GuardError: yet another plan holds it.
        """
        self._hook.execute("steal_lock", self._in, **self._wanted(plan_id, owner, reason), held_by=held_by)
        holder = self.holder()
        if holder is None or holder.plan_id != plan_id:
            raise self._held(holder)
        log.warning("Plan %s took over the lock of %s from plan %s.", plan_id, self._deployment, held_by)
        return holder

    def _wanted(self, plan_id: str, owner: str, reason: str) -> dict[str, str]:
        """Binds of the row that a run wants."""
        _check("plan_id", plan_id)
        _check("owner", owner)
        return {
            "deployment": self._deployment,
            "plan_id": plan_id,
            "owner": owner,
            "reason": cut(reason, 1000),
        }

    def _held(self, holder: Holder | None) -> GuardError:
        return GuardError(
            f"The deployment {self._deployment} is locked by {holder or 'a plan that has released it since'}.",
            "Wait until that run has ended, or end it; then clear take_lock with Downstream. "
            f"The row is in {self._schema}.DR_LOCK at the surviving site. If its Airflow is lost: prove that none of "
            "its programs still runs, then take over the lock with a new run that names its plan in the parameter "
            "take_lock_from.",
        )


def _check(field: str, value: str) -> None:
    if not value or len(value.encode()) > 250:
        raise GuardError(f"The lock's {field} has {len(value.encode())} bytes; allowed: 1 to 250.", SHORTER_ID)
