"""Setting up replication, and a new site: prerequisites, and the steps that people do."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

from infomart_dr.errors import GuardError, InfoMartError, PermanentError
from infomart_dr.guards import fitness
from infomart_dr.guards.application import collecting_objects
from infomart_dr.guards.dictionary import dictionary_of
from infomart_dr.guards.faults import Fault
from infomart_dr.guards.loss_reading import epoch
from infomart_dr.guards.prerequisites import access_point_faults, goldengate_faults, standby_faults
from infomart_dr.guards.replication import ParameterFile, differing_files, named, unapproved_files
from infomart_dr.guards.server import server_runs
from infomart_dr.hooks.configuration import Change
from infomart_dr.hooks.goldengate_parameters import three_parts
from infomart_dr.operators.base import CheckOperator, StepOperator
from infomart_dr.operators.configuration import ConfigurationOperator
from infomart_dr.operators.human import Gate, HumanStep
from infomart_dr.plan import facts
from infomart_dr.plan.direction import Direction
from infomart_dr.plan.step import Observation, Step
from infomart_dr.text import fenced
from infomart_dr.times import span
from infomart_dr.topology import BOTH_ROLES, Idb, SiteRole

#: Characters of all differences that a gate shows.
_SHOWN = 20_000


class CheckPrerequisites(CheckOperator):
    """Check all prerequisites of the procedure before anything changes or stops. All faults are reported at once.

    Standby and its server, GoldenGate's folders, DAPs; logging, privileges, character sets, time zone files, releases,
    tablespaces, roles, jobs of both databases. Readiness asks the same.

    :param standby: the target must be ready to serve; False: people deploy its server and objects during the run.
    :param copies: the procedure copies the database.
    :param copy_option: it copies with this option of the procedure only; empty: with every option.
    """

    guide = (
        "Deployment Prerequisites (guide:573-583); task summary (guide:591-597); replication source (guide:835-837); "
        "the standby server stays away (guide:165); Return to Normal 5 (guide:1106)"
    )

    def __init__(self, *, standby: bool = True, copies: bool = True, copy_option: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.standby, self.copies, self.copy_option = standby, copies, copy_option

    def observe(self, step: Step) -> Observation:
        wrong = list(standby_faults(step)) if self.standby else []
        if step.topology.architecture == "active-standby":
            for role in BOTH_ROLES:
                wrong += goldengate_faults(step, role)
        wrong += access_point_faults(step, "source")
        if self.standby:
            wrong += access_point_faults(step, "target")
        copies = self.copies and self.copy_option in ("", step.params.get("option"))
        found = fitness.all_faults(step, copies=copies)
        wrong += [str(fault) for fault in found if fault.stops]
        if wrong:
            return Observation(False, f"{len(wrong)} prerequisite(s) are missing: {'; '.join(wrong)}")
        return Observation(
            True,
            "both databases, GoldenGate and access points fit" + warnings_text(found),
            {"warnings": [fault.what for fault in found if not fault.stops]},
        )

    def next_step(self) -> str:
        return "Provide the named prerequisites (docs/getting-started.md), then clear this task."


def warnings_text(found: Iterable[Fault]) -> str:
    """The faults for which a run does not stop, for a summary; empty when there are none."""
    shown = [str(fault) for fault in found if not fault.stops]
    return f"; warnings: {'; '.join(shown)}" if shown else ""


class ApproveParameterFiles(Gate):
    """A person sees the changes to the parameter files of both sites, and decides.

    :param changed_only: only files that a person has written or changed are asked about, until somebody has approved.
    :param keep: direction whose groups are in use; their files stay.
    """

    guide = "Configure the Extract, DataPump, and Replicat modules (guide:599-813)"

    def __init__(self, *, changed_only: bool = False, keep: Direction | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.changed_only = changed_only
        self.keep: Direction | None = keep

    def files(self, step: Step) -> list[ParameterFile]:
        """The files to ask about."""
        write, _ = differing_files(step, self.keep)
        if not self.changed_only:
            return write
        # With one that is not approved the others are shown again: one answer is for all of them.
        return [file for file in write if file.is_a_persons] if unapproved_files(step, write) else []

    def does_not_apply(self, step: Step) -> str | None:
        if self.files(step):
            return None
        if self.changed_only:
            return "no file that a person has written or changed would be replaced unapproved"
        return "the parameter files of both sites are as rendered already"

    def evidence(self, step: Step) -> str:
        files = self.files(step)
        step.ledger.forget(facts.CHANGED_FILES)
        if others := {named(step, file): file.state for file in files if file.is_a_persons}:
            step.ledger.put_once(facts.CHANGED_FILES, {"by": "", "files": others})
        text = "\n\n".join(
            f"**{step.at(file.role).name}: {file.path}**"
            + (" (a person has written or changed it)" if file.is_a_persons else "")
            + f"\n\n{fenced(file.diff(), 'diff')}"
            for file in files
        )
        return (
            text
            if len(text) <= _SHOWN
            else text[:_SHOWN] + "\n... (the log of render_parameter_files will show the rest)"
        )

    def accepted(self, step: Step, who: str) -> None:
        if shown := step.ledger.get(facts.CHANGED_FILES):
            step.ledger.forget(facts.CHANGED_FILES)
            step.ledger.put_once(facts.CHANGED_FILES, {**shown, "by": who})

    def refused(self, step: Step) -> None:
        step.ledger.forget(facts.CHANGED_FILES)


class CreateHwmIndex(StepOperator):
    """Create the index on CTL_EXTRACT_HWM that releases 8.1.0 and 8.1.1 lack, before supplemental logging."""

    guide = "Create an additional index on CTL_EXTRACT_HWM, releases 8.1.0 and 8.1.1 (guide:815-833)"
    changes = "the unique index I_C_EXTR_HWM_ID on CTL_EXTRACT_HWM, at each site that has the table"
    undo = "DROP INDEX I_C_EXTR_HWM_ID"

    def does_not_apply(self, step: Step) -> str | None:
        release = step.topology.info_mart.release
        if three_parts(release) in ((8, 1, 0), (8, 1, 1)):
            return None
        return f"release {release} has a key on CTL_EXTRACT_HWM"

    def _lacking(self, step: Step) -> list[SiteRole]:
        return [role for role in BOTH_ROLES if self._has_table(step, role) and not self._has_index(step, role)]

    @staticmethod
    def _has_table(step: Step, role: SiteRole) -> bool:
        return any(
            row["table_name"] == "CTL_EXTRACT_HWM" for row in step.at(role).dba.select("tables", owner=step.schema)
        )

    @staticmethod
    def _has_index(step: Step, role: SiteRole) -> bool:
        wanted = ["TABLE_NAME", "DATA_SOURCE_KEY", "MAX_TS"]
        return any(
            index.table == "CTL_EXTRACT_HWM" and list(index.columns) == wanted
            for index in dictionary_of(step, role).indexes
        )

    def observe(self, step: Step) -> Observation:
        lacking = [step.at(role).name for role in self._lacking(step)]
        return Observation(
            not lacking, f"the index is missing at {', '.join(lacking)}" if lacking else "the index exists"
        )

    def act(self, step: Step, seen: Observation) -> None:
        for role in self._lacking(step):
            step.at(role).info_mart.execute("hwm_index", {"schema": step.schema})
            self.log.info("act: I_C_EXTR_HWM_ID created at %s", step.at(role).name)


# -- a new site ------------------------------------------------------------------------------------

#: Seconds within which an IDB must have received an event of its data source.
FRESH_SECONDS = 300


class UseNewSources(ConfigurationOperator):
    """Let the serving site's server use the new site's IDBs: enable their objects, which a failover disabled."""

    guide = "Return to Normal 3, 14c (guide:1096, guide:1118)"
    changes = "state of the DAPs and ICONs of the new site and of its data sources; connections of the server's object"

    def wanted(self, step: Step) -> dict[str, Change]:
        names = collecting_objects(step, "target")
        if step.at(self.role).settings.configuration.backend != "manual":
            # The next step reports the objects that do not exist yet.
            names = [name for name in names if self._exists(step, name)]
        return {**{name: Change(enabled=True) for name in names}, step.at(self.role).application: Change(connect=names)}

    def _exists(self, step: Step, name: str) -> bool:
        try:
            step.at(self.role).configuration.read(name)
        except PermanentError:
            return False
        return True


class DeployIcons(HumanStep):
    """Have ICONs and IDBs collect at the new site. A person deploys what is missing; this step checks the result."""

    guide = "Return to Normal 3 (guide:1093-1097)"
    changes = "Interaction Concentrators at the new site"
    undo = "disable the Application objects"
    under_lock = False

    def instructions(self, step: Step) -> str | None:
        missing = self.missing(step)
        if not missing:
            return None
        lines = [f"1. At {step.at('target').name} the following is missing or wrong:"]
        lines += [f"   - {each}" for each in missing]
        lines += [
            "2. Deploy a redundant pair of ICON applications per data source; the Application objects of the lost "
            "site's ICONs and DAPs may be reused. Set their state to *Enabled*.",
            f"3. Of each pair, one IDB belongs to {step.at('target').name} and the other to {step.at('source').name}.",
            "4. Answer *Done* once calls arrive. This step then checks again.",
        ]
        return "\n".join(lines)

    def missing(self, step: Step) -> list[str]:
        """Faults that keep the new site's IDBs from collecting."""
        return [*self._objects(step), *self._pairs(step), *self._silent(step), *self._old(step)]

    @staticmethod
    def _objects(step: Step) -> Iterator[str]:
        if step.at("source").settings.configuration.backend == "manual":
            return
        for idb in step.at("target").settings.idbs:
            for name in filter(None, (idb.dap, idb.icon)):
                try:
                    state = step.at("source").configuration.read(name).state
                except PermanentError:
                    yield f"the Application object {name} does not exist"
                    continue
                if state == 2:
                    yield f"the Application object {name} is disabled"

    @staticmethod
    def _pairs(step: Step) -> Iterator[str]:
        """A data source with redundant ICONs whose IDBs are not split over the new and the surviving site.

        One that has a single IDB in the topology is not redundant, and stays so.
        """
        sites: dict[int, set[str]] = {}
        for name, site in step.topology.sites.items():
            for idb in site.idbs:
                sites.setdefault(idb.data_source_key, set()).add(name)
        source, target = step.at("source").name, step.at("target").name
        for key, found in sorted(sites.items()):
            if target in found and len(found) > 1 and source not in found:
                yield f"data source {key} has IDBs at {', '.join(sorted(found))} and none at {source}"

    @staticmethod
    def _last_event(step: Step, idb: Idb) -> int | None:
        return epoch(step.oracle(idb.connection).value("idb_last_event", {"schema": idb.schema_name or ""}))

    def _silent(self, step: Step) -> Iterator[str]:
        for idb in step.at("target").settings.idbs:
            if idb.schema_name is not None:
                try:
                    if self._last_event(step, idb) is None:
                        yield f"the IDB {idb.name} has never received an event of its data source"
                except InfoMartError as error:
                    yield f"the IDB {idb.name} cannot be queried: {error.what}"

    def _old(self, step: Step) -> Iterator[str]:
        """IDBs whose last event is old. In a quiet hour that may be right; a person decides."""
        for idb in step.at("target").settings.idbs:
            if idb.schema_name is not None:
                with contextlib.suppress(InfoMartError):
                    last = self._last_event(step, idb)
                    if last is not None and time.time() - last > FRESH_SECONDS:
                        yield f"the last event of the IDB {idb.name} is {span(time.time() - last)} old"

    def observe(self, step: Step) -> Observation:
        missing = self.missing(step)
        if missing:
            return Observation(False, f"at {step.at('target').name}: {'; '.join(missing)}")
        return Observation(True, f"{len(step.at('target').settings.idbs)} IDB(s) at {step.at('target').name} collect")

    def confirmed(self, step: Step) -> Observation | None:
        missing = [*self._objects(step), *self._pairs(step), *self._silent(step)]
        old = list(self._old(step))
        what = "; ".join(missing or old) or "every IDB collects"
        return Observation(not missing, f"at {step.at('target').name}: {what}")


class DeployServer(HumanStep):
    """Have the Info Mart Server deployed at the new site, and stopped. A person deploys it where it is missing."""

    guide = "Return to Normal 4 (guide:1098-1105); active-active (guide:364-370)"
    changes = "the Info Mart Server's software at the new site"
    undo = "none needed"
    under_lock = False

    def instructions(self, step: Step) -> str | None:
        if self.observe(step).satisfied:
            return None
        site = step.at("target").settings
        application = f"Do not create an Application object: `{step.at('target').application}` is reused."
        if step.topology.architecture == "active-active":
            application = (
                f"Each server has an Application object of its own. Create `{step.at('target').application}` as a copy "
                f"of `{step.at('source').application}` where it is missing. A later step sets its host, its command "
                "line and its Info Mart's DAP."
            )
        return (
            f"1. Deploy the Genesys Info Mart Server on `{site.info_mart_server.host}` in "
            f"`{site.info_mart_server.root}`, and GIM Manager or the Administration Console.\n"
            f"2. {application}\n"
            "3. Do not create an Info Mart database now: a later step fills it, or asks for an empty one.\n"
            "4. Do not start the server. Make sure that no service starts it automatically.\n"
            "5. Answer *Done*. This step then checks again."
        )

    def observe(self, step: Step) -> Observation:
        site = step.at("target").settings
        if not step.at("target").host("gim").exists(site.info_mart_server.root):
            return Observation(False, f"{site.info_mart_server.root} is missing on {site.info_mart_server.host}")
        if signs := server_runs(step, "target"):
            raise GuardError(
                f"The Info Mart Server at {step.at('target').name} runs: {', '.join(signs)}.",
                "Stop it, make sure that no service starts it automatically, then clear this task.",
            )
        return Observation(True, f"the Info Mart Server is deployed at {step.at('target').name} and stopped")

    def confirmed(self, step: Step) -> Observation | None:
        return self.observe(step)
