"""Purge holds by hand and by schedule: the steps of infomart_purge_hold and infomart_purge_guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from infomart_dr.deployment import Deployment
from infomart_dr.errors import GuardError, RequestError
from infomart_dr.guards.plan_holds import chosen_idbs
from infomart_dr.guards.purge_holds import (
    OWNER_LIMIT,
    End,
    Hold,
    IdbHolds,
    PurgeHolds,
    Report,
    raise_all,
    ring_warning,
)
from infomart_dr.operators.base import StepOperator, page
from infomart_dr.plan.step import Observation, Step
from infomart_dr.text import cut, sorted_names
from infomart_dr.times import moment, shown

if TYPE_CHECKING:
    from airflow.sdk import Context

PLACE, EXTEND, RELEASE, LIST = "place", "extend", "release", "list"
_CORRECT = "Give corrected parameters."
#: Allowed difference between the clocks of Airflow and of an IDB.
_CLOCKS = timedelta(minutes=10)
#: Age up to which released holds are listed.
_LISTED = timedelta(days=30)


# -- the request -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """The request of a run of infomart_purge_hold.

    :param hold: id of the hold; of a new one the run's id.
    """

    action: str
    which: str
    hold: str
    begins_at: datetime
    end: End | None
    reason: str
    ticket: str


def read_request(params: Mapping[str, Any], run_id: str, asked_at: datetime, now: datetime) -> Request:
    """The request of a form, or of a ticket.

    :param run_id: id of the hold that a run places.
    :param asked_at: time of the request; a retry or a clear may read it after the requested end.
    :raises RequestError: the parameters do not fit together; the message names them.
    """
    text = {name: str(params.get(name) or "").strip() for name in ("action", "which", "hold", "reason", "ticket")}
    begins = moment("begins_at", str(params.get("begins_at") or ""))
    ends = moment("ends_at", str(params.get("ends_at") or ""))
    site = str(params.get("until_site_passes") or "")
    until = moment("until_time", str(params.get("until_time") or ""))
    action = text["action"]
    if bool(site) != bool(until):
        raise RequestError("until_site_passes and until_time belong together, but one of them is empty.", _CORRECT)
    end = End(ends, site or None, until) if ends or until else None
    if action in (PLACE, EXTEND):
        if end is None or (ends and until):
            raise RequestError(
                f"The action {action} needs one end: ends_at, or until_site_passes with until_time.", _CORRECT
            )
        if ends and ends <= max(begins or asked_at, asked_at):
            raise RequestError(
                f"The end {shown(ends)} must be later than the begin and than the request ({shown(asked_at)}).",
                _CORRECT,
            )
    elif end is not None:
        raise RequestError(
            f"An end was given, but the action {action} takes none.", "Give no end. The action extend changes one."
        )
    if action in (EXTEND, RELEASE) and not text["hold"]:
        raise RequestError(
            f"The action {action} needs the id of a hold in the parameter hold.",
            "Give the parameter hold. A run with the action list shows the ids.",
        )
    if action in (PLACE, LIST) and text["hold"]:
        raise RequestError(
            f"An id was given, but the action {action} takes none: a new hold gets the id of its run.", _CORRECT
        )
    if action == PLACE and not (text["reason"] or text["ticket"]):
        raise RequestError("A hold needs a reason or a ticket, so that others can see why purging is held.", _CORRECT)
    if action != PLACE and begins is not None:
        raise RequestError(f"A begin was given, but the action {action} takes none.", _CORRECT)
    hold = run_id if action == PLACE else text["hold"]
    reason = text["reason"] or f"ticket {text['ticket']}"
    return Request(action, text["which"], hold, begins or now, end, reason, text["ticket"])


class HoldStep(StepOperator):
    """A step of infomart_purge_hold: it needs no lock and no plan, and connects only to the IDBs."""

    under_lock = False
    always = True

    def _page(self, role: str) -> str:
        return page(self.__doc__, self.guide, "the IDBs that the run chooses", self.changes, self.undo)

    def _request(self, step: Step) -> Request:
        return read_request(step.params, step.plan_id, _asked_at(step), datetime.now(UTC))


def _asked_at(step: Step) -> datetime:
    """Time at which the run was requested; clearing the run does not change it."""
    assert step.run_after is not None, "every run has one"
    return step.run_after


def _ids(idbs: list[IdbHolds]) -> list[str]:
    return sorted({hold.hold_id for idb in idbs for hold in idb.store.holds() if hold.released_at is None})


class CheckRequest(HoldStep):
    """Check that the parameters fit together and that the IDBs exist. Nothing is changed."""

    def observe(self, step: Step) -> Observation:
        request = self._request(step)
        site = request.end.until_site if request.end is not None else None
        if site is not None and step.topology.site(site, "until_site_passes").role == "failed":
            raise GuardError(
                f"{site} has the role failed. Its high-water marks do not move, so the hold would never end by itself.",
                "Start a run with a site that is not lost as until_site_passes, or with a time as ends_at.",
            )
        idbs = chosen_idbs(step)
        lost = sorted(set(step.topology.sites) - set(PurgeHolds(step.deployment).living()))
        if lost and not request.which:
            self.log.warning("IDBs of %s are left out: the role there is failed.", ", ".join(lost))
        labels = [idb.label for idb in idbs]
        return Observation(
            True, f"{request.action}: {sorted_names(labels, 20)}", {"idbs": labels, "hold": request.hold}
        )


class ChangeHolds(HoldStep):
    """Place, extend or release the hold at each chosen IDB. The next step adjusts the jobs."""

    guide = "Database Transfer: stop purging IDBs (guide:232)"
    changes = "one row per hold in DR_PURGE_HOLD of each IDB's database"
    undo = "infomart_purge_hold with release or extend"

    def does_not_apply(self, step: Step) -> str | None:
        return "the run only lists holds" if step.params["action"] == LIST else None

    def observe(self, step: Step) -> Observation:
        request, idbs = self._request(step), chosen_idbs(step)
        report = Report("holds")
        found: dict[str, Hold | None] = {}
        for idb in idbs:
            try:
                found[idb.label] = idb.store.hold(request.hold)
            except Exception as error:
                # The other IDBs must not wait for this one.
                report.failed(idb.label, error)
        known = {label: hold for label, hold in found.items() if hold is not None}
        missing = sorted(set(found) - set(known))
        open_to = self._open_to(request, step, known, missing, idbs)
        if open_to:
            return Observation(False, f"to {request.action} the hold {request.hold} at {sorted_names(open_to, 20)}")
        raise_all(report.errors)
        return Observation(True, f"done: {next(iter(known.values()))}")

    def _open_to(
        self, request: Request, step: Step, known: dict[str, Hold], missing: list[str], idbs: list[IdbHolds]
    ) -> list[str]:
        """IDBs where the request is not fulfilled yet.

        :raises GuardError: it cannot be fulfilled.
        """
        if request.action == PLACE:
            for hold in known.values():
                self._is_of_this_run(step, hold)
            # A run that is cleared after the release must not bring the hold back.
            return missing
        if not known:
            raise RequestError(
                f"No chosen IDB has a hold {request.hold!r}.",
                f"Give the id of an open hold. Open holds: {sorted_names(_ids(idbs)) or 'none'}.",
            )
        open_holds = {label: hold for label, hold in known.items() if hold.released_at is None}
        if request.action == RELEASE:
            return sorted(open_holds)
        if not open_holds:
            over, asked_at = next(iter(known.values())), _asked_at(step).replace(microsecond=0)
            if any(hold.end_asked_at is not None and hold.end_asked_at >= asked_at for hold in known.values()):
                self.log.warning("The hold is over; this run or a later one had extended it: %s", over)
                return []
            raise GuardError(f"The hold is already released: {over}.", "Place a new hold.")
        return [label for label, hold in open_holds.items() if self._extends(step, request, hold)]

    def _is_of_this_run(self, step: Step, hold: Hold) -> None:
        """Refuse a hold of this run's id that this run has not placed: another request is another hold.

        :raises GuardError: a run of another Airflow or person has placed it.
        """
        if hold.owner != self._owner(step) or hold.placed_at < _asked_at(step) - _CLOCKS:
            raise GuardError(
                f"A hold with this id exists already, and this run has not placed it: {hold}.",
                "To place a second hold, start a run with another run id. To change this one, use extend or release.",
            )
        if hold.released_at is not None:
            self.log.warning("The hold of this run is over; it is not placed again: %s", hold)

    def _extends(self, step: Step, request: Request, hold: Hold) -> bool:
        """The hold does not have the requested end yet.

        :raises GuardError: this end is not allowed.
        """
        end = request.end
        assert end is not None
        if hold.of_plan:
            raise GuardError(
                f"The hold belongs to a plan, which releases it itself: {hold}.",
                "To hold purging longer, place a hold of your own.",
            )
        if hold.end == end:
            return False
        if hold.end_asked_at is not None and hold.end_asked_at > _asked_at(step):
            self.log.warning("A later run has set the end; it stays: %s", hold)
            return False
        if why := _no_extension(hold.end, end):
            raise GuardError(f"{why}: {hold}.", "Place another hold with that end, then release this one.")
        return True

    def _owner(self, step: Step) -> str:
        # The run's id must stay whole, to be distinguished from every other; a long name is cut.
        person = cut(step.requester, OWNER_LIMIT - len(f", {step.owner}".encode()))
        return f"{person}, {step.owner}" if person else step.owner

    def act(self, step: Step, seen: Observation) -> None:
        request, report, reached = self._request(step), Report("holds"), []
        for idb in chosen_idbs(step):
            try:
                self._change(step, idb, request)
                if (hold := idb.store.hold(request.hold)) is not None:
                    self.log.info("act: %s: %s", idb.label, hold)
                reached.append(idb)
            except Exception as error:
                report.failed(idb.label, error)
        if report.errors:
            # The next step waits until this one reaches all IDBs. The jobs of those reached are adjusted now.
            holds = PurgeHolds(step.deployment)
            for idb in reached:
                log_report(self, holds.enforce(idb))
        raise_all(report.errors)

    def _change(self, step: Step, idb: IdbHolds, request: Request) -> None:
        owner = self._owner(step)
        if request.action == PLACE:
            assert request.end is not None
            end, begin = request.end, request.begins_at
            placed = idb.store.place(request.hold, owner, request.ticket, request.reason, begin, end)
            if placed and end.ends_at is not None and end.ends_at <= datetime.now(UTC):
                self.log.warning(
                    "%s: the end %s passed before the hold could be placed: it holds nothing.",
                    idb.label,
                    shown(end.ends_at),
                )
            return
        hold = idb.store.hold(request.hold)
        if hold is None or hold.released_at is not None:
            return
        if request.action == EXTEND:
            assert request.end is not None
            idb.store.extend(request.hold, request.end, _asked_at(step))
            return
        if hold.of_plan:
            self.log.warning(
                "%s: this hold belonged to a plan; it protected a copy that may still be under way.", idb.label
            )
        idb.store.release(request.hold, owner, request.reason or "released by hand")


def _no_extension(present: End, new: End) -> str | None:
    """The reason why the new end is not certainly later than the present one; None: it is."""
    if (present.ends_at is None) != (new.ends_at is None):
        kinds = ("a mark", "a time") if new.ends_at else ("a time", "a mark")
        return f"The present end is {kinds[0]} and the new one {kinds[1]}; it is unknown which comes first"
    if present.until_site != new.until_site:
        return f"The present end is by the mark of {present.until_site} and the new one by that of {new.until_site}"
    before, after = present.ends_at or present.until_time, new.ends_at or new.until_time
    if before and after and after < before:
        return f"The new end {shown(after)} is before the present one"
    return None


class ListHolds(HoldStep):
    """Show the holds of the chosen IDBs, and since when which jobs are disabled."""

    def observe(self, step: Step) -> Observation:
        now, lines, report = datetime.now(UTC), list[str](), Report("holds")
        holds = PurgeHolds(step.deployment)
        for idb in chosen_idbs(step):
            try:
                lines += self._lines(holds, idb, now)
            except Exception as error:
                # The other IDBs are shown all the same.
                report.failed(idb.label, error)
        for line in lines:
            self.log.info("%s", line)
        raise_all(report.errors)
        return Observation(True, f"{len(lines)} line(s)" if lines else "nothing is held", {"lines": lines[:200]})

    def _lines(self, purge_holds: PurgeHolds, idb: IdbHolds, now: datetime) -> list[str]:
        holds = [hold for hold in idb.store.holds() if hold.released_at is None or now - hold.released_at < _LISTED]
        lines = [f"{idb.label}: {hold}" for hold in holds]
        for row in idb.store.jobs():
            if idb.store.is_own(row):
                again = f", enabled {row.enabled_again} time(s) by somebody" if row.enabled_again else ""
                before = "enabled" if row.was_enabled else "disabled"
                lines.append(f"{idb.label}: {row.job} held since {shown(row.held_since)}, {before} before{again}")
        since, ring = idb.since(), idb.settings.partition_ring_days
        if since is not None and ring is not None:
            lines += filter(None, [ring_warning(since, now, ring, purge_holds.waiting(idb, since, now))])
        return lines


# -- the guard -------------------------------------------------------------------------------------


def log_report(task: BaseOperator, report: Report) -> None:
    """Write the result of a check into a task's log."""
    for words in report.holds:
        task.log.info("%s: hold %s", report.idb, words)
    for words in report.changed:
        task.log.info("act: %s: %s", report.idb, words)
    for words in [*report.reported, *report.warnings]:
        task.log.warning("%s: %s", report.idb, words)
    for words in report.running:
        task.log.info("%s: %s is running; the next check follows it up", report.idb, words)


class EnforceHolds(BaseOperator):
    """Make the purge jobs of a deployment match its holds: begin, keep and end them.

    :param deployment: its name.
    """

    changes = "purge jobs are disabled where a hold is in force, and enabled where the last hold has ended"
    undo = "infomart_purge_hold with release or place"
    guide = "Database Transfer: stop purging IDBs, until the data is processed (guide:232)"

    def __init__(self, *, deployment: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment

    @classmethod
    def page(cls) -> str:
        """The task's page; a mapped task shows only what it is given."""
        return page(cls.__doc__, cls.guide, "the IDBs of the sites that are not lost", cls.changes, cls.undo)

    def execute(self, context: Context) -> dict[str, Any]:
        with Deployment(self.deployment) as deployment:
            reports = PurgeHolds(deployment).enforce_all()
        for report in reports:
            log_report(self, report)
        raise_all([error for report in reports for error in report.errors])
        return {
            "holds": sum(len(report.holds) for report in reports),
            **{
                kind: [f"{report.idb}: {words}" for report in reports for words in getattr(report, kind)]
                for kind in ("changed", "reported", "warnings", "running")
            },
        }
