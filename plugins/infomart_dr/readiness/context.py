"""The shared parts of one report's checks: a read-only step that refuses every change."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from infomart_dr.deployment import Deployment
from infomart_dr.errors import REPORT_IT, GuardError, PermanentError
from infomart_dr.evidence import estimate as estimates
from infomart_dr.guards import dump_set as dump_set_guard
from infomart_dr.plan.facts import Fact
from infomart_dr.plan.ledger import Recorded, T
from infomart_dr.plan.step import Step
from infomart_dr.topology import SiteRole

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import InfoMartOracleHook
    from infomart_dr.hooks.remote_host import RemoteHost


class NoLedger:
    """The ledger of no plan: it has no facts and accepts none."""

    def get(self, fact: Fact[Any]) -> None:
        return None

    def has(self, fact: Fact[Any]) -> bool:
        return False

    def all(self) -> Recorded:
        return Recorded({})

    def require(self, fact: Fact[T]) -> T:
        raise GuardError(f"A readiness check has no plan, so it has no fact {fact.name!r}.", REPORT_IT)

    def put_once(self, fact: Fact[T], value: T) -> T:
        raise _refused(f"recording {fact}")

    def forget(self, fact: Fact[Any]) -> bool:
        raise _refused(f"forgetting {fact}")


def _refused(what: str) -> PermanentError:
    return PermanentError(
        f"A readiness check must not change anything; refused: {what}.", "Report this: the check itself is wrong."
    )


class ReadOnlyDeployment(Deployment):
    """A deployment whose databases and hosts refuse every change."""

    def oracle(self, connection: str, statement_timeout: float | None = None) -> InfoMartOracleHook:
        hook = super().oracle(connection, statement_timeout)
        hook.execute = _never  # type: ignore[method-assign, assignment]
        hook.run_text = _never  # type: ignore[method-assign, assignment]
        return hook

    def host_named(self, name: str) -> RemoteHost:
        host = super().host_named(name)
        host.write_file = _never  # type: ignore[method-assign, assignment]
        return host


def _never(what: str, *_: object, **__: object) -> Any:
    raise _refused(what)


class ReadOnlyStep(Step):
    """A read-only step without a plan."""

    def __init__(self, *, deployment: str, source: str, target: str, failover: bool) -> None:
        super().__init__(deployment=deployment, source=source, target=target, failover=failover, plan_id="(readiness)")
        self.deployment = ReadOnlyDeployment(deployment)

    def _ledger(self, plan_id: str, role: SiteRole | None = None) -> Any:
        return NoLedger()


class CheckContext:
    """The shared data of one report's checks.

    :param procedure: one of :data:`PROCEDURES`.
    """

    def __init__(self, step: Step, procedure: str) -> None:
        self.step, self.procedure = step, procedure
        #: Roles whose Info Mart's owner does not log in yet.
        self.without_owner: set[SiteRole] = set()

    @cached_property
    def schema_bytes(self) -> int:
        return dump_set_guard.schema_bytes(self.step, "source")

    @cached_property
    def dump_bytes(self) -> int:
        return dump_set_guard.dump_bytes(self.step, "source")

    @cached_property
    def redo_rate(self) -> float:
        """Bytes of redo a second at the source, over the last day."""
        return estimates.per_second(self.step.at("source").dba.select("redo_written")[0])

    @cached_property
    def runs(self) -> list[estimates.Measured]:
        return dump_set_guard.measured_runs(self.step)

    @cached_property
    def undo(self) -> dump_set_guard.Undo:
        return dump_set_guard.export_undo(self.step, "source", self.schema_bytes, self.runs)

    @cached_property
    def estimate(self) -> estimates.Estimate:
        return estimates.estimate(self.schema_bytes, self.runs, redo=self.redo_rate)

    def may_come_with_the_import(self, role: SiteRole) -> bool:
        """The import may create the Info Mart's owner at the site, so the owner may be missing now."""
        return self.copies and role == "target"

    @property
    def copies(self) -> bool:
        """The procedure copies the database and sets up the target's replication itself."""
        return self.procedure in ("return_to_normal", "setup_replication", "database_transfer")
