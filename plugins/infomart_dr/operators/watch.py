"""Watching: survey a deployment, report each change once, and send figures to a metrics system.

The task is green when the survey was possible, whatever it found: findings are alerts, and a run list that is red all
night hides the run that failed. The task is red when no database of the deployment could be queried.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Asset, AssetAlias, BaseOperator

from infomart_dr.deployment import Deployment
from infomart_dr.errors import InfoMartError, PermanentError, UnreachableError
from infomart_dr.evidence import watching
from infomart_dr.evidence.watch_store import WatchStore
from infomart_dr.evidence.watching import Alert, Condition, Finding, State, subject_of, worst
from infomart_dr.guards import survey
from infomart_dr.guards.survey import Survey
from infomart_dr.hooks import metrics
from infomart_dr.hooks.goldengate_parameters import has_tags
from infomart_dr.hooks.webhook import Webhook
from infomart_dr.notifiers import outbox
from infomart_dr.operators.base import page

if TYPE_CHECKING:
    from airflow.sdk import Context


#: Asset aliases: DAGs scheduled on one run for any deployment's event.
ALERTS, REPLICATION_STATES = "infomart_dr_alerts", "infomart_dr_replication_states"
#: Subjects whose conditions make the state of the replication.
_REPLICATION = ("groups", "lag", "link")
#: Seconds after which the next survey sends an alert that an earlier one took and did not finish.
_TAKEN = 60.0
#: Alerts that are kept at most, while a webhook does not answer.
_OUTBOX = 200
#: Seconds at most for all that one survey sends to a webhook; within them no other survey takes its alerts.
_SENDING = 30.0
#: Tries to record what was sent, beside surveys of another Airflow.
_TRIES = 5


class _Overtaken(Exception):
    """Another survey has replaced the state meanwhile; nothing of this one is committed."""


def alert_asset(deployment: str) -> Asset:
    """The asset of a deployment's alerts: each alert is an event."""
    return Asset(name=f"infomart_dr_alert_{deployment}", uri=f"infomart-dr://{deployment}/alert", group="infomart_dr")


def replication_asset(deployment: str) -> Asset:
    """The asset of a deployment's replication: each change of its state, such as ``ok``, is an event."""
    return Asset(
        name=f"infomart_dr_replication_{deployment}", uri=f"infomart-dr://{deployment}/replication", group="infomart_dr"
    )


class WatchDeployment(BaseOperator):
    """Survey one deployment and report what is new.

    :param deployment: its name.
    """

    guide = "Note on Connectivity Loss (guide:201-205, guide:249, guide:251); Return to Normal 17, 18 (guide:1123-1124)"
    changes: ClassVar[str] = (
        "a row in DR_MARKER at the active site, until it has arrived; the state of watching in DR_LEDGER at each site"
    )
    undo: ClassVar[str] = "pause the DAG; rows of DR_LEDGER with plan_id '(watch)' may be deleted then"

    template_fields: Sequence[str] = ("deployment",)

    def __init__(self, *, deployment: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment

    @classmethod
    def mapped(cls, deployments: Any, **kwargs: Any) -> Any:
        """One task instance per deployment.

        :param deployments: output of ``list_deployments``.
        """
        return cls.partial(
            doc_md=page(cls.__doc__, cls.guide, "every site", cls.changes, cls.undo),
            # The deployment whose asset changes is known only at run time.
            outlets=[AssetAlias(ALERTS), AssetAlias(REPLICATION_STATES)],
            map_index_template="{{ watched | default(task.deployment) }}",
            **kwargs,
        ).expand(deployment=deployments)

    def execute(self, context: Context) -> dict[str, Any]:
        with Deployment(self.deployment) as deployment:
            deployment.topology = survey.bounded(deployment.topology)
            now = time.time()
            seen = survey.survey(deployment, f"{now:.3f}")
            for finding in sorted(seen.findings, key=lambda found: -watching.LEVELS.index(found.level)):
                _log(self.log, "observe", finding)
            if seen.ledger_site is None:
                raise UnreachableError(
                    f"No database of {deployment.topology.name} answers, so nothing could be reported: "
                    f"{'; '.join(finding.sentence for finding in seen.findings)}",
                    "Check the network between Airflow and the sites. The next scheduled run repeats the survey.",
                )
            before = seen.state.conditions
            state, alerts, mine = self._after(deployment, seen)
            self._figures(deployment, seen)
            first = self._keep(deployment, seen, state)
            if first:
                self._tell(deployment, context, seen, state, before, mine)
            else:
                self.log.info("decide: another Airflow's survey was first, and reports what is new")
            outbox.deliver_pending(deployment, seen.copies)
            shown = self._summary(seen.findings)
            context["watched"] = f"{deployment.topology.name}: {shown}"  # type: ignore[typeddict-unknown-key]
            return {
                "deployment": deployment.topology.name,
                "summary": shown,
                "findings": [finding.as_dict() for finding in seen.findings],
                "alerts": [alert.message() for alert in alerts] if first else [],
                "figures": [{"name": name, **tags, "value": value} for name, tags, value in seen.figures],
                "look": state.number,
            }

    # -- what is new -----------------------------------------------------------------------------------

    def _after(self, deployment: Deployment, seen: Survey) -> tuple[State, list[Alert], list[Alert]]:
        """The state that this survey leaves, the new alerts in it, and the alerts that this survey has to send."""
        topology, state = deployment.topology, seen.state
        conditions, alerts = watching.transitions(
            topology.name, state.conditions, seen.findings, seen.judged, seen.subjects, seen.began
        )
        for alert in alerts:
            alert.waits = ["asset", "webhook"] if topology.watch.alert_connection else ["asset"]
        outbox = [*state.outbox, *alerts]
        if dropped := outbox[:-_OUTBOX]:
            self.log.error("report: %d alert(s) discarded: too many are waiting to be sent", len(dropped))
        state = state.model_copy(
            update={
                "number": state.number + 1,
                "at": seen.began,
                "conditions": conditions,
                "outbox": outbox[-_OUTBOX:],
            }
        )
        mine = [alert for alert in state.outbox if seen.began - alert.taken >= _TAKEN]
        for alert in mine:
            alert.taken = seen.began
        return state, alerts, mine

    def _keep(self, deployment: Deployment, seen: Survey, state: State) -> bool:
        """Save the state at every site whose database answers; False: another survey was first."""
        ledger_site = seen.ledger_site
        assert ledger_site is not None
        if not self._replace(deployment, seen, ledger_site, state):
            return False
        for site in seen.copies.keys() - {ledger_site}:
            try:
                self._replace(deployment, seen, site, state)
            except InfoMartError as error:
                self.log.warning("The state of watching is not saved at %s: %s", site, error)
        return True

    def _replace(self, deployment: Deployment, seen: Survey, site: str, state: State) -> bool:
        settings = deployment.site(site).goldengate
        store = WatchStore(settings.schema_name, deployment.topology.name)
        try:
            with deployment.goldengate_database(site).transaction() as session:
                if not store.replace(session, seen.copies[site], state):
                    raise _Overtaken
                # Together with the state: a survey that comes second may still need a marker that is here.
                for marker in self._needless_markers(deployment, seen, site):
                    session.execute("marker_forget", {"schema": settings.schema_name}, marker_id=marker)
        except _Overtaken:
            return False
        return True

    def _needless_markers(self, deployment: Deployment, seen: Survey, site: str) -> list[str]:
        """Markers that a site may remove: of those that have arrived, all but the newest.

        From 12c on GoldenGate carries the removal to the target; before, it leaves out what its own user does.
        """
        found: list[str] = []
        for source, target in seen.roles.replications:
            carried = has_tags(deployment.site(source).goldengate)
            if site == source or (site == target and not carried):
                found += old_markers(seen.arrived.get((source, target), ()))
        return found

    # -- reporting ---------------------------------------------------------------------------------------

    def _tell(
        self,
        deployment: Deployment,
        context: Context,
        seen: Survey,
        state: State,
        before: Mapping[str, Condition],
        mine: Sequence[Alert],
    ) -> None:
        name = deployment.topology.name
        for alert in mine:
            self.log.warning("report: %s (%s) %s: %s", alert.what, alert.level, alert.key, alert.sentence)
            if "asset" in alert.waits:
                context["outlet_events"][AssetAlias(ALERTS)].add(
                    alert_asset(name), extra={"deployment": name, **alert.message()}
                )
                alert.waits.remove("asset")
        now, then = replication_level(state.conditions), replication_level(before)
        if now != then:
            self.log.info("report: the state of the replication is %s; before, it was %s", now, then)
            context["outlet_events"][AssetAlias(REPLICATION_STATES)].add(
                replication_asset(name), extra={"deployment": name, "state": now, "before": then, "at": seen.began}
            )
        # After all events: trouble with an outside system must not hold one of them back.
        self._post(deployment, [alert for alert in mine if "webhook" in alert.waits])
        if mine:
            self._note(deployment, seen, {alert.id: alert for alert in mine})

    def _post(self, deployment: Deployment, alerts: Sequence[Alert]) -> None:
        """Send alerts to the webhook; an error there does not end the survey."""
        topology, end = deployment.topology, time.monotonic() + _SENDING
        for number, alert in enumerate(alerts):
            if (left := end - time.monotonic()) <= 0:
                self.log.warning("The webhook is slow; the next survey sends %d alert(s)", len(alerts) - number)
                return
            try:
                webhook = Webhook(topology.watch.alert_connection or "", limit=left)
                webhook.post({"deployment": topology.name, **alert.message()}, alert.id)
            except Exception as error:
                kind = type(error)
                self.log.warning(
                    "The webhook did not take an alert; the next survey tries again: %s: %s", kind.__name__, error
                )
                # A permanent error may concern one message only; any other error concerns all of them.
                if kind is not PermanentError:
                    return
            else:
                alert.waits.remove("webhook")

    def _note(self, deployment: Deployment, seen: Survey, told: Mapping[str, Alert]) -> None:
        """Remove what was sent from the state at every site, also from a state that is newer by now."""
        for site in seen.copies:
            schema = deployment.site(site).goldengate.schema_name
            store = WatchStore(schema, deployment.topology.name)
            try:
                for _ in range(_TRIES):
                    with suppress(_Overtaken), deployment.goldengate_database(site).transaction() as session:
                        copy = store.read(session)
                        left = [told.get(alert.id, alert) for alert in copy.state.outbox]
                        state = copy.state.model_copy(update={"outbox": [alert for alert in left if alert.waits]})
                        if not store.replace(session, copy, state):
                            raise _Overtaken
                        break
            except InfoMartError as error:
                self.log.warning("What was sent is not recorded at %s and may be sent twice: %s", site, error)

    def _figures(self, deployment: Deployment, seen: Survey) -> None:
        for name, tags, value in seen.figures:
            metrics.send(name, value, deployment=deployment.topology.name, **tags)

    def _summary(self, findings: Sequence[Finding]) -> str:
        counts = [
            f"{number} {level}"
            for level in ("critical", "warning")
            if (number := sum(found.level == level for found in findings))
        ]
        return ", ".join(counts) or "ok"


def old_markers(arrived: Iterable[str]) -> list[str]:
    """Markers that are no longer needed: of those that have arrived, all but the newest."""
    return sorted(arrived, key=lambda marker: float(marker.rpartition(":")[2]))[:-1]


def replication_level(conditions: Mapping[str, Condition]) -> str:
    """State of the replication from its conditions: ``ok``, ``warning`` or ``critical``."""
    level = worst(
        condition.level for key, condition in conditions.items() if subject_of(key).rpartition("/")[2] in _REPLICATION
    )
    return "ok" if level == "info" else level


def _log(log: Any, word: str, finding: Finding) -> None:
    say = {"critical": log.error, "warning": log.warning, "info": log.info}[finding.level]
    say("%s: %s: %s%s", word, finding.level, finding.sentence, f" Next: {finding.remedy}" if finding.remedy else "")
