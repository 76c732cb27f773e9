"""GoldenGate: parameter files, supplemental logging, capture, delivery, and the removal of old groups."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from infomart_dr.errors import GuardError, RemoteCommandError
from infomart_dr.guards.dictionary import table_exists
from infomart_dr.guards.dump_set import proven_manifest
from infomart_dr.guards.replication import (
    WITHOUT_AUTOMATIC_STARTS,
    ParameterFile,
    automatic_starts,
    differing_files,
    groups_of,
    is_up,
    manager_parameters,
    named,
    other_trail,
    require_start_after_csn,
    states_of,
    states_text,
    unapproved_files,
)
from infomart_dr.hooks.goldengate_parameters import is_excluded
from infomart_dr.operators.base import StepOperator
from infomart_dr.operators.removal import groups_left, remove_unused, reports_aside
from infomart_dr.plan import facts
from infomart_dr.plan.direction import Direction, ends
from infomart_dr.plan.facts import Fact
from infomart_dr.plan.step import Observation, Step
from infomart_dr.text import sorted_names
from infomart_dr.topology import BOTH_ROLES, SiteRole


class ReplicationOperator(StepOperator):
    """A step of one direction of replication.

    :param direction: ``to_target`` or ``to_source``.
    """

    #: Further places in the guide, by direction.
    also: ClassVar[dict[Direction, str]] = {}

    def __init__(self, *, direction: Direction, **kwargs: Any) -> None:
        if extra := self.also.get(direction):
            self.guide = f"{self.guide}; {extra}"
        super().__init__(**kwargs)
        self.direction: Direction = direction

    @property
    def capturing(self) -> SiteRole:
        return ends(self.direction)[0]

    @property
    def applying(self) -> SiteRole:
        return ends(self.direction)[1]


#: Places in the guide of a Replicat's first start, by direction.
REPLICAT_ALSO: dict[Direction, str] = {
    "to_target": "Return to Normal 9 and resynchronisation (guide:1110, guide:1080)",
    "to_source": "Return to Normal 10 (guide:1111)",
}


class PrepareGoldenGateSchema(StepOperator):
    """Create the marker table in GoldenGate's schema at both sites, and Replicat's checkpoint tables."""

    guide = "not in the guide: the marker row that proves a catch-up"
    changes = "table DR_MARKER and the checkpoint table in GoldenGate's schema, if they are missing"
    undo = "drop the tables when no plan uses them any more"

    def observe(self, step: Step) -> Observation:
        missing = []
        for role in BOTH_ROLES:
            goldengate = step.at(role).settings.goldengate
            for table in ("DR_MARKER", goldengate.checkpoint_table):
                if not table_exists(step, role, goldengate.schema_name, table):
                    missing.append(f"{step.at(role).name}:{goldengate.schema_name}.{table}")
        if missing:
            return Observation(False, f"missing: {sorted_names(missing)}")
        return Observation(True, "the tables exist at both sites")

    def act(self, step: Step, seen: Observation) -> None:
        for role in BOTH_ROLES:
            goldengate = step.at(role).settings.goldengate
            schema = goldengate.schema_name
            if not table_exists(step, role, schema, "DR_MARKER"):
                step.at(role).goldengate_database.execute("create_marker_table", {"schema": schema})
            if not table_exists(step, role, schema, goldengate.checkpoint_table):
                step.at(role).ggsci.add_checkpoint_table()


class RemoveOldReplication(StepOperator):
    """Remove groups left by an earlier plan or from before the disaster, and move their trails aside.

    :param keep: direction whose groups and trails are in use and stay; None: none is.
    """

    guide = "Return to Normal 6 (guide:1107)"
    changes = (
        "old groups are stopped, unregistered and deleted at both sites; their files in dirdat, dirchk, dirrpt and "
        "trace, and their definitions by INFO, are moved into dirdat/old-<plan>"
    )
    undo = "move the files back; add the groups again by their definitions in dirdat/old-<plan>"

    def __init__(self, *, keep: Direction | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep: Direction | None = keep

    def observe(self, step: Step) -> Observation:
        if step.ledger.has(facts.OLD_REPLICATION_REMOVED):
            return Observation(True, "this plan has removed the older replication")
        left = [f"{step.at(role).name}:{name}" for role in BOTH_ROLES for name in groups_left(step, role, self.keep)]
        return Observation(False, f"groups left: {sorted_names(left) or 'none'}")

    def act(self, step: Step, seen: Observation) -> None:
        # From here on an older plan's dump set and trails no longer belong together.
        for entry in step.replications:
            entry.ensure_table()
            entry.forget(facts.REPLICATION_PLAN)
            entry.put_once(facts.REPLICATION_PLAN, step.plan_id)
        remove_unused(step, BOTH_ROLES, self.keep, f"old-{step.key}")
        step.ledger.put_once(facts.OLD_REPLICATION_REMOVED, True)


class RecreateCheckpointTable(StepOperator):
    """Drop and recreate GoldenGate's checkpoint tables at both sites.

    The schema itself stays: the plan's lock and ledger are in it.
    """

    guide = "Return to Normal 7 (guide:1108)"
    changes = "the checkpoint table at both sites, empty"
    undo = "none needed: no Replicat uses it"

    def observe(self, step: Step) -> Observation:
        done = step.ledger.get(facts.CHECKPOINT_TABLE_RECREATED)
        return Observation(
            done is not None, "checkpoint tables are recreated" if done else "checkpoint tables may be old"
        )

    def act(self, step: Step, seen: Observation) -> None:
        step.ledger.require(facts.OLD_REPLICATION_REMOVED)
        for role in BOTH_ROLES:
            ggsci = step.at(role).ggsci
            replicats = [program.group or "" for program in ggsci.info_all() if program.program.upper() == "REPLICAT"]
            replicats += self._of_other_homes(step, role)
            if replicats:
                # They belong to somebody else, and their checkpoints are in the table.
                self.log.warning("act: %s: the table stays: %s use it", step.at(role).name, sorted_names(replicats))
                continue
            self.log.info("act: %s: %s", step.at(role).name, ggsci.recreate_checkpoint_table().what)
        step.ledger.put_once(facts.CHECKPOINT_TABLE_RECREATED, True)

    @staticmethod
    def _of_other_homes(step: Step, role: SiteRole) -> list[str]:
        """Replicats in the table other than the removed one of this home: several homes may share a table."""
        goldengate = step.at(role).settings.goldengate
        names = {"schema": goldengate.schema_name, "table": goldengate.checkpoint_table}
        rows = step.at(role).goldengate_database.select("checkpoint_groups", names)
        found = [(str(row["group_name"]), str(row["current_dir"] or "").rstrip("/")) for row in rows]
        ours = (goldengate.groups.replicat, goldengate.home.rstrip("/"))
        return [f"{group} of {home or 'an unknown home'}" for group, home in found if (group, home) != ours]


class RenderParameterFiles(StepOperator):
    """Write GoldenGate's parameter files of both sites from the one exclusion list, and GLOBALS.

    :param keep: direction whose groups are in use; their files stay, since a group reads its file at its next start.
    """

    guide = (
        "Setting Up Replication (guide:435-551, guide:599-813); "
        "Return to Normal 5, 9, options 1 and 2 (guide:1072-1078, guide:1106, guide:1110)"
    )
    changes = "dirprm/<group>.prm of Extract, pump and Replicat, and GLOBALS, at both sites"
    undo = "the earlier file is kept beside it as <name>.before-<plan>"

    def __init__(self, *, keep: Direction | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep: Direction | None = keep

    def observe(self, step: Step) -> Observation:
        write, stay = differing_files(step, self.keep)
        in_use = f"; in use, so not replaced: {self._names(step, stay)}" if stay else ""
        if write:
            return Observation(False, f"to be written: {self._names(step, write)}{in_use}")
        return Observation(True, f"the parameter files of both sites are as rendered{in_use}")

    @staticmethod
    def _names(step: Step, files: Iterable[ParameterFile]) -> str:
        return sorted_names([named(step, file) for file in files])

    def act(self, step: Step, seen: Observation) -> None:
        write, _ = differing_files(step, self.keep)
        if others := unapproved_files(step, write):
            for file in others:
                self.log.warning("act: %s would be replaced:\n%s", named(step, file), file.diff())
            raise GuardError(
                f"A person has written or changed {self._names(step, others)}, and nobody has approved that it is "
                "replaced.",
                "Clear approve_changed_files with Downstream: it shows the difference. Or put the needed lines into "
                "goldengate.extra_parameters, and the file away.",
            )
        for file in write:
            host = step.at(file.role).host()
            if file.there is not None:
                host.write_file(f"{file.path}.before-{step.key}", file.there)
                self.log.info("act: replace %s\n%s", named(step, file), file.diff())
            host.write_file(file.path, file.text)


class EnableSupplementalLogging(StepOperator):
    """Enable supplemental logging for the Info Mart and for the marker table.

    :param again: repetition after a possible upgrade in between; without an upgrade it changes nothing.
    """

    guide = "Setting Up Replication: ADD TRANDATA, and again after an upgrade (guide:839-845)"
    changes = "supplemental logging of the Info Mart's schema and of DR_MARKER"
    undo = "DELETE SCHEMATRANDATA, or DELETE TRANDATA"

    def __init__(self, *, again: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.again = again

    def _fact(self, step: Step) -> Fact[str]:
        kind = facts.SUPPLEMENTAL_LOGGING_AGAIN if self.again else facts.SUPPLEMENTAL_LOGGING
        return kind.of(step.at(self.role).name)

    def observe(self, step: Step) -> Observation:
        # ggsci's own commands observe, act and verify in one: enabling it twice changes nothing.
        noted = step.ledger.get(self._fact(step))
        return Observation(noted is not None, noted or "supplemental logging is not yet proven to be on")

    def act(self, step: Step, seen: Observation) -> None:
        goldengate = step.at(self.role).settings.goldengate
        release = step.topology.info_mart.release
        ggsci = step.at(self.role).ggsci
        done = [
            ggsci.enable_schema_trandata(step.schema, lambda table: not is_excluded(release, table)),
            ggsci.enable_table_trandata(goldengate.schema_name, "DR_MARKER"),
        ]
        for each in done:
            self.log.info("act: %s", each.what)
        step.ledger.put_once(self._fact(step), " ".join(each.what for each in done))


class StartManagers(StepOperator):
    """Start the managers of both sites, once none of them starts a Replicat by itself.

    A start without AFTERCSN applies the whole trail, also changes that the copy holds.

    :param replicats: sites whose Replicat the procedure adds.
    """

    guide = "not in the guide; a Replicat's first start must name AFTERCSN"
    changes = "the managers run"
    undo = "STOP MGR"

    def __init__(self, *, replicats: Sequence[SiteRole] = BOTH_ROLES, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.replicats = tuple(replicats)

    def observe(self, step: Step) -> Observation:
        if faults := self._faults(step):
            return Observation(False, "; ".join(faults))
        down = [step.at(role).name for role in BOTH_ROLES if not step.at(role).ggsci.manager_status()]
        return Observation(not down, f"no manager runs at {sorted_names(down)}" if down else "both managers run")

    def _faults(self, step: Step) -> list[str]:
        return [fault for role in self.replicats for fault in automatic_starts(step, role)]

    def act(self, step: Step, seen: Observation) -> None:
        if faults := self._faults(step):
            raise GuardError("; ".join(faults) + ".", f"{WITHOUT_AUTOMATIC_STARTS} Then clear this task.")
        for role in BOTH_ROLES:
            for line in manager_parameters(step, role).elsewhere:
                self.log.warning("observe: %s: mgr.prm: %r is not followed", step.at(role).name, line)
            self.log.info("act: %s: %s", step.at(role).name, step.at(role).ggsci.start_manager().what)


class AddExtract(ReplicationOperator):
    """Register and add the Extract and its pump with their trails: capture begins here, before any SCN is taken."""

    guide = "Start Extract and DataPump (guide:965-985), moved before the SCN"
    also: ClassVar[dict[Direction, str]] = {
        "to_target": "Return to Normal 9 (guide:1110)",
        "to_source": "Return to Normal 11 (guide:1112)",
    }
    changes = "Extract and pump groups and their trails at the capturing site"
    undo = "STOP and DELETE the groups, UNREGISTER EXTRACT; Return to Normal does it after the cutover"

    def observe(self, step: Step) -> Observation:
        ggsci, groups = step.at(self.capturing).ggsci, step.at(self.capturing).settings.goldengate.groups
        extract, pump = ggsci.info(groups.extract), ggsci.info(groups.pump)
        noted = step.ledger.get(facts.CAPTURE_ADDED.of(self.direction))
        if extract is None or pump is None or noted is None:
            there = [name for name, info in ((groups.extract, extract), (groups.pump, pump)) if info]
            return Observation(False, f"groups at {step.at(self.capturing).name}: {sorted_names(there) or 'none'}")
        return Observation(True, f"{groups.extract} and {groups.pump} are added at {step.at(self.capturing).name}")

    def act(self, step: Step, seen: Observation) -> None:
        site = step.at(self.capturing).settings
        ggsci, goldengate = step.at(self.capturing).ggsci, site.goldengate
        trails, groups = goldengate.trails, goldengate.groups
        remote = step.at(self.applying).settings.goldengate.trails.arriving(step.at(self.capturing).name)
        integrated = goldengate.capture == "integrated"
        self._note_logs(step)
        registered = facts.CAPTURE_REGISTERED.of(self.direction)
        scn = step.ledger.get(registered)
        if integrated and scn is None and ggsci.info(groups.extract) is None:
            done = ggsci.register_extract(groups.extract)
            self.log.info("act: %s", done.what)
            scn = step.ledger.put_once(registered, done.scn or 0)
        self.log.info("act: %s", ggsci.add_extract(groups.extract, trails.local, integrated=integrated, scn=scn).what)
        if not integrated:
            self._retain_logs(step, groups.extract)
        self.log.info("act: %s", ggsci.add_pump(groups.pump, trails.local, remote).what)
        step.ledger.put_once(facts.CAPTURE_ADDED.of(self.direction), int(time.time()))

    def _retain_logs(self, step: Step, group: str) -> None:
        try:
            self.log.info("act: %s", step.at(self.capturing).ggsci.retain_logs(group).what)
        except RemoteCommandError as error:
            # Standard Edition, for one, has no log retention.
            self.log.warning(
                "act: RMAN at %s may delete archived logs that %s still needs: %s",
                step.at(self.capturing).name,
                group,
                error.what,
            )

    def _note_logs(self, step: Step) -> None:
        """Record the end of ggserr.log at both sites, so that the later check reads only what follows."""
        for role in BOTH_ROLES:
            file, size = step.at(role).ggsci.log_since(None)[1]
            fact = facts.GGSERR_BEGIN.of(f"{self.direction}:{step.at(role).name}")
            step.ledger.put_once(fact, {"file": file, "bytes": size})


class StartCapture(ReplicationOperator):
    """Start the Extract and the pump, and check that they run."""

    guide = "START EXTRACT (guide:987-990)"
    also: ClassVar[dict[Direction, str]] = {"to_source": "Return to Normal 11 (guide:1112)"}
    changes = "Extract and pump run at the capturing site"
    undo = "STOP EXTRACT"

    def observe(self, step: Step) -> Observation:
        ggsci, groups = step.at(self.capturing).ggsci, step.at(self.capturing).settings.goldengate.groups
        states = {name: ggsci.status(name) for name in (groups.extract, groups.pump)}
        what = states_text(states)
        scn = step.ledger.get(facts.CAPTURE_SCN.of(self.direction))
        if scn is not None and all(state == "RUNNING" for state in states.values()):
            return Observation(True, f"{what}; capture is complete from SCN {scn} on", {"scn": scn})
        return Observation(False, what)

    def act(self, step: Step, seen: Observation) -> None:
        ggsci, groups = step.at(self.capturing).ggsci, step.at(self.capturing).settings.goldengate.groups
        ggsci.start_manager()
        for name in (groups.extract, groups.pump):
            ggsci.start(name)
        ggsci.wait_running(groups.extract, groups.pump)
        # A transaction that is older than this SCN may be missed: recorded once, after the Extract ran.
        step.ledger.put_once(
            facts.CAPTURE_SCN.of(self.direction), int(step.at(self.capturing).dba.value("current_scn"))
        )


class FlushSequences(ReplicationOperator):
    """Flush the sequences into the redo, so that the Extract captures a value of each."""

    guide = "not in the guide; GoldenGate's FLUSH SEQUENCE after the Extract's first start"
    changes = "one redo record per sequence"

    def observe(self, step: Step) -> Observation:
        flushed = step.ledger.get(facts.SEQUENCES_FLUSHED.of(self.direction))
        return Observation(bool(flushed), "sequences are flushed" if flushed else "sequences are not flushed")

    def act(self, step: Step, seen: Observation) -> None:
        step.at(self.capturing).ggsci.flush_sequence(step.schema)
        step.ledger.put_once(facts.SEQUENCES_FLUSHED.of(self.direction), True)


class CheckReplicationRuns(ReplicationOperator):
    """Check that Extract, pump and Replicat of a direction in use run. The step leaves them running."""

    guide = "not in the guide, which has no planned switchover"
    under_lock = False

    def observe(self, step: Step) -> Observation:
        states = states_of(step, self.direction)
        wrong = other_trail(step, self.direction)
        running = all(state == "RUNNING" for state in states.values())
        return Observation(running and not wrong, states_text(states) + (f"; {wrong}" if wrong else ""))

    def act(self, step: Step, seen: Observation) -> None:
        raise GuardError(
            f"{step.at(self.applying).name} does not follow {step.at(self.capturing).name}: {seen.summary}.",
            "Start the groups, or correct the topology, then clear this task. If replication is not set up yet, run "
            "infomart_setup_replication.",
        )


class AddReplicat(ReplicationOperator):
    """Add the Replicat at the applying site."""

    guide = "ADD REPLICAT (guide:942-959)"
    also: ClassVar[dict[Direction, str]] = REPLICAT_ALSO
    changes = "a Replicat group with a checkpoint table"
    undo = "STOP and DELETE REPLICAT"

    def observe(self, step: Step) -> Observation:
        name = step.at(self.applying).settings.goldengate.groups.replicat
        info = step.at(self.applying).ggsci.info(name)
        return Observation(
            info is not None, f"{name} at {step.at(self.applying).name}: {info.status if info else 'none'}"
        )

    def act(self, step: Step, seen: Observation) -> None:
        goldengate = step.at(self.applying).settings.goldengate
        trail = goldengate.trails.arriving(step.at(self.capturing).name)
        name = goldengate.groups.replicat
        # Neither the start nor the reports of an earlier group count.
        for fact in (facts.AFTER_CSN, facts.AFTER_CSN_PASSED):
            step.ledger.forget(fact.of(self.direction))
        reports_aside(step, self.applying, name, f"old-{step.key}-{int(time.time())}")
        step.at(self.applying).ggsci.add_replicat(name, trail)


class StartReplicatAfterCsn(ReplicationOperator):
    """Start the Replicat after the SCN: it skips what the copy already holds, and nothing else."""

    guide = "START REPLICAT ..., AFTERCSN (guide:961-963)"
    also: ClassVar[dict[Direction, str]] = REPLICAT_ALSO
    changes = "the Replicat runs; AFTERCSN is given on its first start only"
    undo = "STOP REPLICAT"

    def scn(self, step: Step) -> int:
        """To the target: the number of the manifest. To the source: the one recorded at the new active site."""
        if self.direction == "to_source":
            return step.ledger.require(facts.TO_SOURCE_SCN)

        manifest = proven_manifest(step)
        manifest.require_scn(step.ledger.require(facts.SCN))
        return manifest.scn

    def observe(self, step: Step) -> Observation:
        name = step.at(self.applying).settings.goldengate.groups.replicat
        scn = self.scn(step)
        state = step.at(self.applying).ggsci.status(name)
        if state == "RUNNING" and step.ledger.has(facts.AFTER_CSN_PASSED.of(self.direction)):
            return Observation(True, f"{name} is RUNNING and has passed CSN {scn}", {"after_csn": scn})
        return Observation(False, f"{name} is {state or 'missing'}")

    def act(self, step: Step, seen: Observation) -> Observation:
        name = step.at(self.applying).settings.goldengate.groups.replicat
        ggsci, scn = step.at(self.applying).ggsci, self.scn(step)
        require_start_after_csn(step, self.direction, scn)
        if is_up(ggsci.status(name)):
            # A process that has just begun has not yet reported its start.
            self._wait(step, scn)
        if faults := automatic_starts(step, self.applying):
            raise GuardError("; ".join(faults) + ".", f"{WITHOUT_AUTOMATIC_STARTS} Then clear this task.")
        ggsci.start_manager()
        # Recorded first: after a crash in between, the Replicat's report tells whether it was started.
        step.ledger.put_once(facts.AFTER_CSN.of(self.direction), scn)
        ggsci.start(name, after_csn=scn)
        self._wait(step, scn)
        require_start_after_csn(step, self.direction, scn, proven=True)
        return Observation(True, f"{name} is RUNNING, started after CSN {scn}", {"after_csn": scn})

    def _wait(self, step: Step, scn: int) -> None:
        """Wait until the Replicat runs. A wrong start comes before the abend that it led to."""
        try:
            step.at(self.applying).ggsci.wait_running(step.at(self.applying).settings.goldengate.groups.replicat)
        finally:
            require_start_after_csn(step, self.direction, scn)


class NoteToSourceScn(ReplicationOperator):
    """Record the new active site's SCN: both databases are equal, and the source's Replicat starts after it."""

    guide = "Return to Normal 10: the new value of current_scn (guide:1111)"
    changes = "a row in the plan's ledger"

    def observe(self, step: Step) -> Observation:
        scn = step.ledger.get(facts.TO_SOURCE_SCN)
        return Observation(
            scn is not None,
            f"SCN {scn} of {step.at(self.capturing).name} is recorded" if scn else "the SCN is not recorded yet",
            {"scn": scn},
        )

    def act(self, step: Step, seen: Observation) -> None:
        step.ledger.require(facts.TABLES_COMPARED)
        step.ledger.put_once(facts.TO_SOURCE_SCN, int(step.at(self.capturing).dba.value("current_scn")))


# -- direction -------------------------------------------------------------------------------------


class StopReplicationToTarget(StepOperator):
    """Stop Replicat, pump and Extract of replication to the target. After a STOP, AUTORESTART leaves them stopped."""

    guide = "switched to normal direction (guide:1082)"
    changes = "the groups of replication to the target are STOPPED at both sites"
    undo = "START EXTRACT, START REPLICAT"

    def observe(self, step: Step) -> Observation:
        states = states_of(step, "to_target")
        return Observation(all(state in (None, "STOPPED") for state in states.values()), states_text(states))

    def act(self, step: Step, seen: Observation) -> None:
        step.ledger.require(facts.TABLES_COMPARED)
        # Recorded first: the back-out then starts the groups again.
        step.ledger.put_once(facts.TO_TARGET_STOPPED, True)
        for role, name in groups_of(step, "to_target"):
            # The marker has arrived, so nothing of Extract and pump is missing.
            step.at(role).ggsci.stop(name, force=True)


class RemoveReplicationToTarget(StopReplicationToTarget):
    """Delete the stopped groups of replication to the target, once the new site serves."""

    guide = "not in the guide: an Extract that stays registered keeps the redo for ever"
    changes = "the groups of replication to the target are deleted and the Extract is unregistered"
    undo = "a new plan adds them again"

    def observe(self, step: Step) -> Observation:
        # A deleted Extract may still be registered: the record alone proves the end. Groups that a later plan has added
        # under these names are not this plan's.
        if step.ledger.has(facts.TO_TARGET_REMOVED):
            return Observation(True, "this plan has removed its replication to the target")
        left = [
            f"{step.at(role).name}:{name}"
            for role, name in groups_of(step, "to_target")
            if step.at(role).ggsci.info(name)
        ]
        return Observation(False, f"groups of replication to the target: {sorted_names(left) or 'none'}")

    def act(self, step: Step, seen: Observation) -> None:
        step.ledger.require(facts.POINT_OF_NO_RETURN)
        for role, name in groups_of(step, "to_target"):
            self.log.info("act: %s: %s", step.at(role).name, step.at(role).ggsci.remove_group(name).what)
        step.ledger.put_once(facts.TO_TARGET_REMOVED, True)


class CheckGoldenGateLog(ReplicationOperator):
    """Read the records of ggserr.log at both sites since the capture was added. An ERROR record stops the run."""

    guide = "Check the ggserr.log file (guide:992); Return to Normal 18 (guide:1124)"

    def observe(self, step: Step) -> Observation:
        errors, gone = [], []
        for role in BOTH_ROLES:
            name = step.at(role).name
            begin = step.ledger.require(facts.GGSERR_BEGIN.of(f"{self.direction}:{name}"))
            records, whole = step.at(role).ggsci.errors_since((int(begin["file"]), int(begin["bytes"])))
            errors += [f"{name}: {record.code} {record.message}" for record in records]
            gone += (
                [] if whole else [f"{name}: a part of the log since the capture is gone (renamed away or truncated)"]
            )
        if errors or gone:
            found = [*gone, *([f"{len(errors)} error(s): {' | '.join(errors[:5])}"] if errors else [])]
            return Observation(False, f"ggserr.log: {'; '.join(found)}")
        return Observation(True, "ggserr.log has no error since the capture was added")

    def next_step(self) -> str:
        return (
            "Correct the causes that the records name, and read the parts that were moved away. Then mark this task as "
            "success: the records stay in the file."
        )
