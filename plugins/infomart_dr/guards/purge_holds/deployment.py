"""Holds of all IDBs of a deployment, and when they are over."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from infomart_dr.deployment import Deployment
from infomart_dr.errors import GuardError, InfoMartError, TopologyError
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
        """Every IDB of these sites that has purge jobs."""
        return [self.of(site, idb) for site in sites for idb in self._deployment.site(site).purged_idbs]

    def living(self) -> list[str]:
        """Sites that are not lost; a lost site's IDBs cannot be asked, and nothing is extracted from them."""
        return [name for name, site in self._deployment.topology.sites.items() if site.role != "failed"]

    def choose(self, which: str = "") -> list[IdbHolds]:
        """IDBs by the name of an IDB or of a site; empty: all of the sites that are not lost.

        :raises TopologyError: no such name, a lost site, or an IDB without purge jobs.
        """
        topology, living = self._deployment.topology, self.living()
        if not which:
            return self.of_sites(living)
        found = [(name, idb) for name, site in topology.sites.items() for idb in site.idbs if which in (name, idb.name)]
        if not found:
            names = sorted({*topology.sites, *(idb.name for site in topology.sites.values() for idb in site.idbs)})
            raise TopologyError(
                f"There is no IDB and no site with IDBs {which!r}.", f"Give one of: {', '.join(names)}."
            )
        there = [(site, idb) for site, idb in found if site in living]
        if not there:
            raise TopologyError(
                f"{which} is at a site with the role failed: its IDBs cannot be asked.",
                "Choose another one, or correct the role in the topology.",
            )
        chosen = [self.of(site, idb) for site, idb in there if idb.purge_jobs]
        if not chosen:
            raise TopologyError(
                f"{which} has no purge_jobs in the topology: there is nothing to hold.",
                "Name what purges it under idbs.purge_jobs.",
            )
        return chosen

    def enforce_all(self) -> list[Report]:
        """Make the purge jobs of every IDB that is not lost match its holds; a trouble of one stops no other."""
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
        """Held jobs of IDBs that left the topology, or have no purge jobs there any more.

        Every connection of the topology is asked, since the one of such an IDB may be another's, too.

        :param in_trouble: IDBs with an error already: the same one is not told twice.
        """
        topology, asked = self._deployment.topology, dict[str, list[str]]()
        for site in self.living():
            for idb in topology.site(site).idbs:
                asked.setdefault(idb.connection, []).append(f"{site}/{idb.name}")
        purged = {f"{name}/{idb.name}" for name, site in topology.sites.items() for idb in site.purged_idbs}
        # By what a row is of: two connections may be of one user.
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
                    # Nothing can be held there that the topology names: no hold is in danger.
                    report.warnings.append(f"nobody can tell whether a job is held that left the topology: {error}")
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
                # Not asked once more for each IDB: a site that is away takes its time to give no answer.
                self._marks[site] = error
        found = self._marks[site]
        if isinstance(found, InfoMartError):
            raise found
        return found

    def passed(self, site: str, key: int, moment: datetime, now: datetime) -> str | None:
        """Why the mark of a data source counts as past a moment at a site; None: it does not.

        :raises InfoMartError: the site cannot be asked.
        """
        topology = self._deployment.topology
        if topology.site(site).role == "failed":
            raise GuardError(
                f"{site} has the role failed and cannot be asked.",
                "Place another hold with an end that can come, where purging must stay held; then release this one.",
            )
        since = int(moment.timestamp())
        # Rule 8 is about one IDB: the marks of other data sources say nothing of it.
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
                f"Data source {key} has no calls that would tell whether it is idle, and its mark at {site} has not "
                f"passed {shown(moment)}.",
                "Look in GIM Manager whether all of it is extracted; then release the hold by hand.",
            )
        if marks.idle:
            return f"data source {key} has no call beyond its high-water mark at {site}"
        return None

    def over(self, idb: IdbHolds, hold: Hold, now: datetime, warnings: list[str]) -> str | None:
        """Why a hold is over; None: it is not, or nobody can tell, which keeps it.

        :param warnings: gets what keeps a hold that nobody can judge.
        """
        end = hold.end
        if end.ends_at is not None and end.ends_at <= now:
            return f"its end {shown(end.ends_at)} has come"
        if end.until_site is None or end.until_time is None:
            return None
        try:
            return self.passed(end.until_site, idb.settings.data_source_key, end.until_time, now)
        except Exception as error:
            warnings.append(f"the hold {hold.hold_id} is kept, since nobody can tell whether it is over: {error}")
            return None

    def waiting(self, idb: IdbHolds, since: datetime, now: datetime) -> tuple[datetime, int] | None:
        """Up to when an IDB is extracted, and how many calls it holds beyond that; None: not known.

        Asked are the sites whose marks its holds wait for; where there is none, the active ones.

        :param since: when purging stopped.
        """
        settings = idb.settings
        if settings.schema_name is None:
            return None
        try:
            ends = [hold.end for hold in idb.active(now) if hold.end.until_site]
            # Until it is filled, the marks of such a site are those of an earlier life, or none.
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
            log.warning("%s: what is not extracted cannot be counted: %s", idb.label, error)
            return None
        extracted = datetime.fromtimestamp(min(known), UTC)
        # What the active ones have extracted since, a site that is filled may lack.
        return None if filled and not (calls and extracted < since) else (extracted, calls)

    def _role(self, site: str | None) -> str | None:
        found = self._deployment.topology.sites.get(site or "")
        return found.role if found else None

    def enforce(self, idb: IdbHolds, now: datetime | None = None) -> Report:
        """Make the purge jobs of one IDB match its holds; must be repeatable and never waits.

        :returns: the report; what could not be done is in its errors, so that other IDBs do not wait for this one.
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
    """Probe: nothing holds the purging of a deployment's IDBs.

    :param hold: id of the hold that matters; empty: every one.
    :param which: name of an IDB or of a site; empty: every IDB of the sites that are not lost.
    :raises TopologyError: no such name, or no IDB whose purging could be held.
    """
    now, holding, placed = datetime.now(UTC), [], False
    idbs = PurgeHolds(deployment).choose(which)
    if not idbs:
        raise TopologyError(
            f"No IDB of {deployment.topology.name} has purge_jobs in the topology: there is nothing to hold.",
            "Name what purges the IDBs under idbs.purge_jobs.",
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
        return Observation(False, f"{len(holding)} purge hold(s) hold: {'; '.join(holding)}", details)
    subject = f"the purge hold {hold}" if hold else "no purge hold"
    if hold and not placed:
        return Observation(True, f"{subject} does not hold: it is not known at {', '.join(details['idbs'])}", details)
    return Observation(True, f"{subject} {'is released' if hold else 'holds'} at {', '.join(details['idbs'])}", details)
