"""Holds of all IDBs of a deployment, and the conditions that end them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from infomart_dr.deployment import Deployment
from infomart_dr.errors import GuardError, InfoMartError, RequestError, TopologyError
from infomart_dr.evidence.high_water_marks import against, lowest, with_calls
from infomart_dr.guards import high_water_marks
from infomart_dr.guards.purge_holds.idb import IdbHolds, Report, left_behind
from infomart_dr.guards.purge_holds.store import Hold, HoldStore
from infomart_dr.plan.step import Observation
from infomart_dr.times import shown
from infomart_dr.topology import Idb

log = logging.getLogger(__name__)


class PurgeHolds:
    """Purge holds of a deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._marks: dict[str, tuple[dict[int, int], set[int]] | InfoMartError] = {}

    def of(self, site: str, idb: Idb) -> IdbHolds:
        """Holds and jobs of one IDB."""
        connection = self._deployment.oracle(idb.connection)
        name = self._deployment.topology.name
        store = HoldStore(connection, self._deployment.user(idb.connection), name, site, idb.name)
        return IdbHolds(site, idb, store, self._deployment.purge_jobs(idb))

    def of_sites(self, sites: Iterable[str]) -> list[IdbHolds]:
        """The IDBs of these sites that have purge jobs."""
        return [self.of(site, idb) for site in sites for idb in self._deployment.site(site).purged_idbs]

    def living(self) -> list[str]:
        """Sites that are not lost; the IDBs of a lost site cannot be asked, and nothing is extracted from them."""
        return [name for name, site in self._deployment.topology.sites.items() if site.role != "failed"]

    def choose(self, which: str = "") -> list[IdbHolds]:
        """IDBs by the name of an IDB or of a site; empty: all IDBs of the sites that are not lost.

        :raises RequestError: there is no such name.
        :raises TopologyError: the site is lost, or the IDB has no purge jobs.
        """
        topology, living = self._deployment.topology, self.living()
        if not which:
            return self.of_sites(living)
        found = [(name, idb) for name, site in topology.sites.items() for idb in site.idbs if which in (name, idb.name)]
        if not found:
            names = sorted({*topology.sites, *(idb.name for site in topology.sites.values() for idb in site.idbs)})
            raise RequestError(
                f"There is neither an IDB nor a site with IDBs named {which[:60]!r}.",
                f"Give one of: {', '.join(names)}.",
            )
        there = [(site, idb) for site, idb in found if site in living]
        if not there:
            raise TopologyError(
                f"{which} is at a site with the role failed: its IDBs cannot be asked.",
                "Correct the role in the topology, then clear this task. Or start a new run with another one.",
            )
        chosen = [self.of(site, idb) for site, idb in there if idb.purge_jobs]
        if not chosen:
            raise TopologyError(
                f"{which} has no purge_jobs in the topology: there is nothing to hold.",
                "Add the jobs that purge it under idbs.purge_jobs, then clear this task. Or start a new run with "
                "another one.",
            )
        return chosen

    def enforce_all(self) -> list[Report]:
        """Make the purge jobs of every IDB that is not lost match its holds; an error of one stops no other."""
        reports = []
        for site in self.living():
            for idb in self._deployment.site(site).purged_idbs:
                try:
                    reports.append(self.enforce(self.of(site, idb)))
                except Exception as error:
                    report = Report(f"{site}/{idb.name}")
                    report.failed("holds", error)
                    reports.append(report)
        return reports + self._left_behind({report.idb for report in reports if report.errors})

    def _left_behind(self, in_trouble: set[str]) -> list[Report]:
        """Held jobs of IDBs that the topology no longer names, or names without purge jobs.

        Asks every connection of the topology, since such an IDB may share one with others.

        :param in_trouble: IDBs that already have an error: the same error is not reported twice.
        """
        topology, asked = self._deployment.topology, dict[str, list[str]]()
        for site in self.living():
            for idb in topology.site(site).idbs:
                asked.setdefault(idb.connection, []).append(f"{site}/{idb.name}")
        purged = {f"{name}/{idb.name}" for name, site in topology.sites.items() for idb in site.purged_idbs}
        # By IDB and job: two connections may have the same user.
        reports: dict[tuple[str, ...], Report] = {}
        for connection, idbs in asked.items():
            try:
                store = HoldStore(
                    self._deployment.oracle(connection), self._deployment.user(connection), topology.name, "", ""
                )
                for row in store.jobs():
                    label = f"{row.site}/{row.idb}"
                    if row.deployment == topology.name and label not in purged:
                        reports[label, row.job] = Report(label, warnings=[left_behind(row)])
            except Exception as error:
                report = reports[(connection,)] = Report(", ".join(idbs))
                if purged.isdisjoint(idbs):
                    # The topology names no purge job there, so no hold is in danger.
                    report.warnings.append(f"cannot check for held jobs that left the topology: {error}")
                elif in_trouble.isdisjoint(idbs):
                    report.failed("jobs that left the topology", error)
        return list(reports.values())

    # -- ends --------------------------------------------------------------------------------------

    def _lowest(self, site: str) -> tuple[dict[int, int], set[int]]:
        """Lowest mark by data source at a site, and the data sources with calls."""
        if site not in self._marks:
            schema = {"schema": self._deployment.topology.info_mart.schema_name}
            try:
                rows = self._deployment.info_mart(site).select("hwm", schema)
                self._marks[site] = lowest(rows), with_calls(rows)
            except InfoMartError as error:
                # Kept, so that not every IDB asks again: a site that does not answer costs the whole time-out.
                self._marks[site] = error
        found = self._marks[site]
        if isinstance(found, InfoMartError):
            raise found
        return found

    def passed(self, site: str, key: int, moment: datetime, now: datetime) -> str | None:
        """The reason why the mark of a data source counts as past a moment at a site; None: it does not.

        :raises InfoMartError: the site cannot be asked.
        """
        topology = self._deployment.topology
        if topology.site(site).role == "failed":
            raise GuardError(
                f"{site} has the role failed and cannot be asked.",
                "If purging must stay held, place another hold with an end that can be reached; then release this one.",
            )
        since = int(moment.timestamp())
        # Rule 8 is about one IDB: the marks of other data sources say nothing about it.
        found, counted = self._lowest(site)
        marks = against(
            {each: mark for each, mark in found.items() if each == key},
            since,
            (),
            counted,
            lambda each, mark: (
                now > moment
                and high_water_marks.nothing_beyond(topology, self._deployment.oracle, self.living(), each, mark)
            ),
        )
        if marks.moved:
            return f"the high-water mark of data source {key} at {site} has passed {shown(moment)}"
        if marks.unknown and now > moment:
            raise GuardError(
                f"The mark of data source {key} at {site} has not passed {shown(moment)}, and without calls nobody can "
                "tell whether the data source is idle.",
                "Check in GIM Manager whether all of its data is extracted; then release the hold by hand.",
            )
        if marks.idle:
            return f"data source {key} has no call beyond its high-water mark at {site}"
        return None

    def over(self, idb: IdbHolds, hold: Hold, now: datetime, warnings: list[str]) -> str | None:
        """The reason why a hold is over; None: it is not, or it cannot be judged and stays.

        :param warnings: receives the reason why a hold cannot be judged.
        """
        end = hold.end
        if end.ends_at is not None and end.ends_at <= now:
            return f"its end {shown(end.ends_at)} is reached"
        if end.until_site is None or end.until_time is None:
            return None
        try:
            return self.passed(end.until_site, idb.settings.data_source_key, end.until_time, now)
        except Exception as error:
            warnings.append(f"the hold {hold.hold_id} is kept because its end cannot be checked: {error}")
            return None

    def waiting(self, idb: IdbHolds, since: datetime, now: datetime) -> tuple[datetime, int] | None:
        """Time up to which an IDB is extracted, and the number of calls beyond it; None: unknown.

        Asks the sites whose marks its holds wait for, or the active sites where there are none.

        :param since: time at which purging stopped.
        """
        settings = idb.settings
        if settings.schema_name is None:
            return None
        try:
            ends = [hold.end for hold in idb.active(now) if hold.end.until_site]
            # Until such a site is filled, it has no marks, or outdated ones.
            filled = [end for end in ends if end.until_time is None or self._role(end.until_site) == "new"]
            sites = {end.until_site for end in ends if end not in filled}
            if filled or not sites:
                sites |= {name for name in self._deployment.topology.sites if self._role(name) == "active"}
            marks, key = [self._lowest(site) for site in self.living() if site in sites], settings.data_source_key
            known = [lowest[key] for lowest, counted in marks if key in lowest and key in counted]
            if not known:
                return None
            connection = self._deployment.oracle(settings.connection)
            calls = int(connection.value("idb_calls_above", {"schema": settings.schema_name}, low=min(known)))
        except InfoMartError as error:
            log.warning("%s: cannot count the calls that are not extracted: %s", idb.label, error)
            return None
        extracted = datetime.fromtimestamp(min(known), UTC)
        # The site that is being filled may lack calls that the active sites have extracted since.
        return None if filled and not (calls and extracted < since) else (extracted, calls)

    def _role(self, site: str | None) -> str | None:
        found = self._deployment.topology.sites.get(site or "")
        return found.role if found else None

    def enforce(self, idb: IdbHolds, now: datetime | None = None) -> Report:
        """Make the purge jobs of one IDB match its holds; repeatable, and without waiting.

        :returns: the report. Failures are in its errors, so that other IDBs do not wait for this one.
        """
        now = now or datetime.now(UTC)
        warnings: list[str] = []
        try:
            report = idb.enforce(
                now,
                lambda hold: self.over(idb, hold, now, warnings),
                lambda since: self.waiting(idb, since, now),
            )
        except Exception as error:
            report = Report(idb.label)
            report.failed("holds", error)
        report.warnings += warnings
        return report


def holds_released(deployment: Deployment, hold: str = "", which: str = "") -> Observation:
    """Probe: no hold on the purging of a deployment's IDBs is active.

    :param hold: id of the hold to check; empty: every hold.
    :param which: name of an IDB or of a site; empty: every IDB of the sites that are not lost.
    :raises RequestError: there is no such name.
    :raises TopologyError: no IDB has purge jobs.
    :raises GuardError: no IDB knows the hold; a mistyped id must not read as a released one.
    """
    now, holding, placed = datetime.now(UTC), [], False
    idbs = PurgeHolds(deployment).choose(which)
    if not idbs:
        raise TopologyError(
            f"No IDB of {deployment.topology.name} has purge_jobs in the topology: there is nothing to hold.",
            "Add the jobs that purge the IDBs under idbs.purge_jobs.",
        )
    for idb in idbs:
        for found in idb.store.holds():
            if hold and found.hold_id != hold:
                continue
            placed = True
            if found.active(now):
                holding.append(f"{idb.label}: {found}")
    details = {"idbs": [idb.label for idb in idbs], "holding": holding}
    if holding:
        return Observation(False, f"{len(holding)} active purge hold(s): {'; '.join(holding)}", details)
    if hold and not placed:
        raise GuardError(
            f"The purge hold {hold!r} is unknown at {', '.join(details['idbs'])}.",
            "Give the id of a hold that was placed: infomart_purge_hold with the action list shows them.",
        )
    subject = f"the purge hold {hold}" if hold else "no purge hold"
    state = "is released" if hold else "is active"
    return Observation(True, f"{subject} {state} at {', '.join(details['idbs'])}", details)
