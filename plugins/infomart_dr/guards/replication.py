"""GoldenGate at both ends: parameter files, open transactions, arrived markers, the end of a trail."""

from __future__ import annotations

import difflib
import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infomart_dr.errors import GuardError, InfoMartError, TransientError, UnexpectedReplyError
from infomart_dr.hooks import goldengate_parameters as parameters
from infomart_dr.hooks.manager_parameters import ManagerParameters, parse_manager_parameters
from infomart_dr.hooks.parse_ggsci import ProgramStatus, Start, is_cut_record
from infomart_dr.plan import facts
from infomart_dr.plan.direction import Direction, ends
from infomart_dr.plan.step import Observation, Step
from infomart_dr.text import without_passwords
from infomart_dr.times import span
from infomart_dr.topology import SiteRole
from infomart_dr.values import JsonObject, Row

if TYPE_CHECKING:
    from infomart_dr.deployment import SiteAccess
    from infomart_dr.hooks.remote_host import RemoteHost


@dataclass(frozen=True)
class ParameterFile:
    """A parameter file of a site: its required text, and its present one.

    :param there: None when there is no such file.
    :param group: the group that reads it; empty: GLOBALS.
    """

    role: SiteRole
    path: str
    text: str
    there: str | None
    group: str = ""

    @property
    def right(self) -> bool:
        """The file has the required statements."""
        return self.there is not None and parameters.statements(self.there) == parameters.statements(self.text)

    @property
    def is_a_persons(self) -> bool:
        """It would be replaced, and a person has written or changed it. Of GLOBALS no line is ever replaced."""
        return bool(self.group) and not self.right and self.there is not None and not parameters.is_own(self.there)

    @property
    def state(self) -> str:
        """Digest of the present file."""
        return hashlib.sha256((self.there or "").encode()).hexdigest()[:16]

    def diff(self) -> str:
        """The changes that writing it would make; passwords of the old file are not shown."""
        lines = difflib.unified_diff(
            without_passwords(self.there or "").splitlines(),
            without_passwords(self.text).splitlines(),
            "there" if self.there is not None else "(no file)",
            "to be written",
            n=1,
            lineterm="",
        )
        return "\n".join(lines)


def parameter_files(step: Step) -> list[ParameterFile]:
    """GLOBALS and the parameter files of both sites, as rendered and as present."""
    found: list[ParameterFile] = []
    roles: list[tuple[SiteRole, SiteRole]] = [("source", "target"), ("target", "source")]
    for role, other in roles:
        name, host, home = step.at(role).name, step.at(role).host(), step.at(role).settings.goldengate.home

        def there(path: str, host: RemoteHost = host) -> str | None:
            return host.read_file(path) if host.exists(path) else None

        for group, text in parameters.render_site(step.topology, name, step.at(other).name).items():
            path = f"{home}/{parameters.parameter_path(group)}"
            found.append(ParameterFile(role, path, text, there(path), group))
        path = f"{home}/GLOBALS"
        before = there(path)
        merged = parameters.merge_globals(before, parameters.render_globals(step.topology, name), f"{name}:{path}")
        found.append(ParameterFile(role, path, merged, before))
    return found


def differing_files(step: Step, keep: Direction | None) -> tuple[list[ParameterFile], list[ParameterFile]]:
    """Files to be written, and those that differ and stay, because a direction in use has started with them.

    :param keep: the direction in use; None: none is.
    """
    used = groups_of(step, keep) if keep else []
    write: list[ParameterFile] = []
    stay: list[ParameterFile] = []
    for file in parameter_files(step):
        if not file.right:
            (stay if (file.role, file.group) in used else write).append(file)
    return write, stay


def named(step: Step, file: ParameterFile) -> str:
    """Site and path of a file."""
    return f"{step.at(file.role).name}:{file.path}"


def unapproved_files(step: Step, files: Iterable[ParameterFile]) -> list[ParameterFile]:
    """Those that a person has written or changed, and whose replacement nobody has approved as they are now."""
    noted = step.ledger.get(facts.CHANGED_FILES) or {}
    approved = noted["files"] if noted and noted["by"] else {}
    return [file for file in files if file.is_a_persons and approved.get(named(step, file)) != file.state]


def groups_of(step: Step, direction: Direction) -> list[tuple[SiteRole, str]]:
    """Groups of a direction with the role of their site: Extract, pump, Replicat."""
    capturing, applying = ends(direction)
    there, here = step.at(capturing).settings.goldengate.groups, step.at(applying).settings.goldengate.groups
    return [(capturing, there.extract), (capturing, there.pump), (applying, here.replicat)]


def states_of(step: Step, direction: Direction) -> dict[str, str | None]:
    """States by ``site:group`` of the groups of a direction; None: there is no such group."""
    return {
        f"{step.at(role).name}:{name}": step.at(role).ggsci.status(name) for role, name in groups_of(step, direction)
    }


def replication_now(step: Step, direction: Direction) -> list[str]:
    """One line for each group of a direction: state, lag, age of the checkpoint; a site without an answer says so."""
    programs: dict[tuple[SiteRole, str], ProgramStatus] = {}
    silent: dict[SiteRole, str] = {}
    for role in dict.fromkeys(role for role, _ in groups_of(step, direction)):
        try:
            programs |= {(role, each.group): each for each in step.at(role).ggsci.info_all() if each.group}
        except InfoMartError as error:
            silent[role] = error.what
    return [
        f"{name} at {step.at(role).name}: {silent.get(role) or _line(programs.get((role, name)))}"
        for role, name in groups_of(step, direction)
    ]


def _line(program: ProgramStatus | None) -> str:
    if program is None:
        return "missing"
    lag, since = (None if value is None else span(value) for value in (program.lag, program.since_checkpoint))
    return f"{program.status}, lag {lag or 'unknown'} at its last checkpoint, {since or 'unknown'} ago"


def states_text(states: Mapping[str, str | None]) -> str:
    """States for a message."""
    return ", ".join(f"{name} {state or 'missing'}" for name, state in states.items())


def replicates(step: Step, direction: Direction) -> bool:
    """Extract, pump and Replicat of a direction run."""
    return all(step.at(role).ggsci.status(name) == "RUNNING" for role, name in groups_of(step, direction))


def other_trail(step: Step, direction: Direction) -> str:
    """The trail that a direction's Replicat reads, where the topology names another one; empty: they agree."""
    capturing, applying = ends(direction)
    at = step.at(applying)
    info = at.ggsci.info(at.settings.goldengate.groups.replicat)
    wanted = at.settings.goldengate.trails.arriving(step.at(capturing).name)
    # INFO shows a file: two characters and its number, in a path that may be absolute.
    if info is None or not info.trail or info.trail.rpartition("/")[2][:2] == wanted.rpartition("/")[2]:
        return ""
    return (
        f"{info.name} at {at.name} reads {info.trail}, and the topology names {wanted} for the trail from "
        f"{step.at(capturing).name} (sites.{at.name}.goldengate.trails.remote)"
    )


def manager_parameters(step: Step, role: SiteRole) -> ManagerParameters:
    """The statements of a site's mgr.prm that start groups; none when there is no such file."""
    host, path = step.at(role).host(), f"{step.at(role).settings.goldengate.home}/dirprm/mgr.prm"
    return parse_manager_parameters(host.read_file(path) if host.exists(path) else "")


def automatic_starts(step: Step, role: SiteRole) -> list[str]:
    """Faults: statements of a site's mgr.prm that start its Replicat, without AFTERCSN."""
    name = step.at(role).settings.goldengate.groups.replicat
    found = manager_parameters(step, role).starting("REPLICAT", name)
    return [
        f"mgr.prm of {step.at(role).name} has {each.text!r}, which starts {name} without AFTERCSN" for each in found
    ]


#: The next step for a person who finds such statements.
WITHOUT_AUTOMATIC_STARTS = (
    "Name the other groups in these lines of dirprm/mgr.prm, or comment the lines out (--). Let the manager read the "
    "file again: REFRESH MGR in ggsci, or STOP MGR and START MGR. Restore the lines when the Replicat has caught up."
)


def start_fault(starts: Sequence[Start], csn: int) -> str:
    """The reason why the runs of a Replicat may have applied what the copy holds; empty: there is none.

    AFTERCSN holds for the one start that names it. A plain start is right only after a run that has passed the CSN. A
    run that has not reached the trail has applied nothing.

    :param starts: its runs, from the oldest to the newest.
    """
    passed = False
    for start in starts:
        if start.after_csn == csn:
            passed = passed or (start.delivered_csn is not None and start.delivered_csn > csn)
        elif start.after_csn is not None or start.at_csn is not None:
            if not passed:
                other = f"after CSN {start.after_csn}" if start.after_csn is not None else f"at CSN {start.at_csn}"
                return f"was started {other}, not after CSN {csn}"
        elif not passed and start.worked:
            return f"was started without AFTERCSN {csn}"
    return ""


def require_start_after_csn(step: Step, direction: Direction, csn: int, *, proven: bool = False) -> None:
    """Check that every start of the Replicat was after a CSN, or followed one that has passed it.

    The plan's record and the reports must both say so. A Replicat that was never started passes.

    :param proven: a run must be there that was started so.
    :raises GuardError: it was started otherwise: it may have applied again what the copy holds.
    """
    if step.ledger.has(facts.AFTER_CSN_PASSED.of(direction)):
        return
    applying = ends(direction)[1]
    ggsci, name = step.at(applying).ggsci, step.at(applying).settings.goldengate.groups.replicat
    info = ggsci.info(name)
    if not proven and (info is None or (info.initialized and not is_up(info.status))):
        return
    sent = step.ledger.get(facts.AFTER_CSN.of(direction))
    starts = ggsci.starts(name)
    if sent is None:
        fault = f"was started without AFTERCSN {csn}: this plan has not started it"
    elif sent != csn:
        fault = f"was started after CSN {sent}, not after CSN {csn}"
    elif not starts:
        fault = "has run, and its reports are gone: nothing proves that it was started after the CSN"
    else:
        fault = start_fault(starts, csn)
        if not fault and proven and all(start.after_csn != csn for start in starts):
            fault = f"runs, and no report of it says that it was started after CSN {csn}"
    if not fault:
        return
    where = step.at(applying).name
    again = (
        "Import again: repeat the plan from its task drop_sequences on."
        if direction == "to_target"
        else "Compare the tables of both sites. If they are equal, repeat the plan from its task add_replicat on."
    )
    raise GuardError(
        f"{name} at {where} {fault}. It may have applied changes that the copy holds already.",
        f"In ggsci at {where}: STOP REPLICAT {name}, DBLOGIN, DELETE REPLICAT {name}. {again}",
    )


def no_older_transactions(step: Step, direction: Direction) -> Observation:
    """Probe: no transaction that began before the capture is open.

    Such a transaction would be lost: GoldenGate drops it, and the dump does not contain it. Every session of the
    database counts, also one that has changed no table of the Info Mart yet: it still may.
    """
    capturing = ends(direction)[0]
    scn = step.ledger.require(facts.CAPTURE_SCN.of(direction))
    rows = step.at(capturing).dba.select("open_transactions", before_scn=scn)
    if not rows:
        return Observation(True, f"no transaction older than SCN {scn} is open at {step.at(capturing).name}")
    sessions = [
        f"session {row['sid']},{row['serial']}@{row['inst_id']} of {row['username']}"
        f" ({row['program'] or 'unknown program'} on {row['machine'] or 'unknown machine'},"
        f" since {row['start_time']}{idle_text(row)})"
        for row in rows
    ]
    return Observation(
        False,
        f"{len(rows)} transaction(s) began before the capture and are still open: {'; '.join(sessions)}. "
        "End them (commit, roll back, or ask the DBA); this procedure kills no session.",
        {"sessions": sessions},
    )


def idle_text(row: Row) -> str:
    """How long a session with an open transaction has been idle, for a message; empty while it works.

    :param row: of ``open_transactions`` or ``open_transactions_age``.
    """
    if row["status"] != "INACTIVE" or row["idle_seconds"] is None:
        return ""
    return f", idle for {span(float(row['idle_seconds']))}"


def marker_arrived(step: Step, direction: Direction, marker: str, added_by: str = "") -> Observation:
    """Probe: the marker row that was written at the capturing site is at the applying site.

    Lag, "At EOF" and the checkpoint are shown for information only.

    :param added_by: task that adds the Replicat when it is cleared; empty: the run's DAG has none.
    """
    capturing, applying = ends(direction)
    goldengate = step.at(applying).settings.goldengate
    row = step.at(applying).goldengate_database.select(
        "marker_get", {"schema": goldengate.schema_name}, marker_id=marker
    )
    return arrival(
        step.at(capturing),
        step.at(applying),
        bool(row),
        f"Clear {added_by} with Downstream."
        if added_by
        else "Find out who removed it. If replication is not set up, run infomart_setup_replication.",
    )


def arrival(source: SiteAccess, target: SiteAccess, arrived: bool, without_replicat: str) -> Observation:
    """A marker's arrival, with the state of the groups on its way.

    :param source: site that wrote the marker.
    :param arrived: the row is at the target.
    :param without_replicat: the next step when there is no such Replicat.
    :raises GuardError: a group on its way is missing, so that nothing can arrive.
    :raises TransientError: one does not run.
    """
    replicat, ggsci = target.settings.goldengate.groups.replicat, target.ggsci
    info = ggsci.info(replicat)
    status = info.status if info else "missing"
    details: JsonObject = {"replicat": status, "lag_seconds": None, "at_eof": None}
    beside = replicat + " " + status
    if status == "RUNNING":
        lag = ggsci.lag(replicat)
        details |= {"lag_seconds": lag.seconds, "at_eof": lag.at_eof}
        shown = "unknown" if lag.seconds is None else span(lag.seconds)
        # Its own lag says nothing about what has not arrived in its trail.
        beside += f", lag {shown} behind what has arrived, {'at EOF' if lag.at_eof else 'not at EOF'}"
    if arrived:
        return Observation(True, f"the marker arrived at {target.name} ({beside})", details)
    if info is None:
        raise GuardError(
            f"There is no {replicat} at {target.name}: the marker from {source.name} cannot arrive.", without_replicat
        )
    _must_run(target, "REPLICAT", replicat, status, source.name)
    groups = source.settings.goldengate.groups
    states = {program.group: program.status for program in source.ggsci.info_all() if program.group}
    for name in (groups.extract, groups.pump):
        if name not in states:
            raise GuardError(
                f"There is no {name} at {source.name}: the marker from {source.name} cannot arrive at {target.name}.",
                "Find out who removed it. What changed since then is missing at the target: set up replication again.",
            )
        _must_run(source, "EXTRACT", name, states[name], source.name)
        details[name.lower()] = states[name]
        beside += f", {name} {states[name]}"
    return Observation(False, f"the marker from {source.name} has not arrived ({beside})", details)


def _must_run(site: SiteAccess, kind: str, name: str, status: str, source: str) -> None:
    """Require that a group on a marker's way runs.

    :raises TransientError: it does not. AUTORESTART may start it; otherwise the wait ends with this message.
    """
    if status in ("ABENDED", "STOPPED"):
        raise TransientError(
            f"{name} at {site.name} is {status}: the marker from {source} cannot arrive. "
            f"{site.ggsci.report_tail(name)}",
            f"Correct the error in the report, then START {kind} {name}.",
        )


#: Seconds after which the end of a transaction that the Replicat does not commit is no longer expected.
_WAITED_IN_VAIN = 300


def newest_trail_file(step: Step) -> tuple[str, int] | None:
    """Name and size of the trail's last file that arrived at the survivor; None when there is none.

    By number: a trail may have files with 6 and with 9 digits.
    """
    goldengate = step.at("target").settings.goldengate
    folder, _, name = goldengate.trails.arriving(step.at("source").name).rpartition("/")
    script = (
        f"cd {shlex.quote(goldengate.home)} && cd {shlex.quote(folder or '.')} || exit 1; "
        # A copy beside it, such as dp000000002.bak, is not a trail file.
        f"last= best=-1; for f in {shlex.quote(name)}[0-9]*; do n=${{f#??}}; case $n in *[!0-9]*) continue;; esac; "
        # Without its leading zeros: the shell would read an octal number.
        '[ ${#n} -eq 6 ] || [ ${#n} -eq 9 ] || continue; [ -f "$f" ] || continue; n=${n#"${n%%[!0]*}"}; '
        '[ "${n:-0}" -le "$best" ] || { best=${n:-0} last=$f; }; done; '
        '[ -z "$last" ] || wc -c "$last"'
    )
    text = step.at("target").host().run(["sh", "-c", script]).stdout
    words = text.split()
    if not words:
        return None
    if len(words) != 2 or not words[0].isdecimal():
        raise UnexpectedReplyError(
            f"{step.at('target').settings.database.host}: the search for the last trail file printed "
            f"{text.strip()[-300:]!r}.",
            f"List {folder or '.'} in {goldengate.home} by hand: a trail that is not seen would count as lost calls.",
        )
    return words[1], int(words[0])


def trail_end(step: Step) -> str:
    """The end of the trail that arrived at the survivor, as text to compare."""
    newest = newest_trail_file(step)
    return f"{newest[0]}, {newest[1]} bytes" if newest else "no trail file"


def _same_file(read: str | None, file: str) -> bool:
    """A position is in a trail file, however many digits either name has."""
    name = (read or "").rpartition("/")[2]
    return bool(name) and name[:2] == file[:2] and name[2:].isdecimal() and int(name[2:]) == int(file[2:])


def foreign_groups(step: Step, role: SiteRole) -> list[str]:
    """Groups of other applications in the site's GoldenGate home. They need its manager."""
    ours = step.at(role).settings.goldengate.groups
    names = (ours.extract, ours.pump, ours.replicat)
    return [program.group for program in step.at(role).ggsci.info_all() if program.group and program.group not in names]


def uncommitted(step: Step) -> list[JsonObject]:
    """Transactions at the survivor that GoldenGate's Replicat has begun and not committed."""
    user = step.at("target").ggsci.database_user()
    return [dict(row) for row in step.at("target").dba.select("apply_transactions", username=user or "%")]


def replicat_at_trail_end(step: Step) -> Observation:
    """Probe: the survivor's Replicat has applied and committed everything that arrived before the site was lost.

    "At EOF" alone does not prove it. The Replicat must be in the last file of the trail, and have no open transaction:
    it holds complete transactions back that share a group with one whose end never arrived.
    """
    name = step.at("target").settings.goldengate.groups.replicat
    ggsci = step.at("target").ggsci
    info = ggsci.info(name)
    where = f"{name} at {step.at('target').name}"
    if info is None and step.params.get("accept_missing_replicat"):
        return Observation(
            True, f"there is no {where}; the run was started with accept_missing_replicat", {"trail": None}
        )
    if info is None:
        raise GuardError(
            f"There is no {where}: nothing proves that the standby is complete.",
            "If you have another proof that it is, start a run with the parameter accept_missing_replicat.",
        )
    if wrong := other_trail(step, "to_target"):
        raise GuardError(f"{wrong}.", "Correct the topology: the end of another trail proves nothing.")
    newest = newest_trail_file(step)
    if info.status == "ABENDED":
        return _abended(step, where, info.trail, newest)
    place = f"{info.trail or 'no trail file'} RBA {info.rba if info.rba is not None else 'unknown'}"
    if newest is None:
        return Observation(True, f"no trail has arrived at {step.at('target').name}", {"trail": None})
    file, size = newest
    details: JsonObject = {"trail": file, "size": size, "rba": info.rba, "lag_seconds": info.lag}
    what = f"{where} is {info.status} at {place}; the last file is {file}, {size} bytes"
    if info.status != "RUNNING":
        # Its position may be that of rows that a STOP has rolled back.
        return Observation(False, f"{what}. Only a running Replicat proves that its rows are committed", details)
    at_eof = _same_file(info.trail, file) and ggsci.lag(name).at_eof
    rows = uncommitted(step)
    # After the question about open transactions: while it recovers, it has none for a moment.
    state = ggsci.replicat_state(name)
    if rows:
        return Observation(False, _in_a_transaction(where, what, rows), details)
    if state.timed_out:
        what += ". The trail ends in the middle of a transaction, which is lost. The complete ones are committed"
        return Observation(state.at_end, what, details)
    at_end = (at_eof or (state.at_end and _same_file(info.trail, file))) and not state.recovering
    return Observation(at_end, what + (", at EOF" if at_end else ""), details)


def drained_or_cut(step: Step) -> Observation:
    """Probe: the end of the trail is reached, or an accepted cut record that needs an action first."""
    seen = replicat_at_trail_end(step)
    return Observation(seen.satisfied or bool(seen.details.get("cut")), seen.summary, seen.details)


def _in_a_transaction(where: str, what: str, rows: list[JsonObject]) -> str:
    """A Replicat with an open transaction, for a message.

    :raises GuardError: it has waited so long that TRANSACTIONTIMEOUT does not act.
    """
    row = rows[0]
    session = f"session {row['sid']},{row['serial']}@{row['inst_id']} of {row['username']} ({row['program']})"
    found = f"{what}. It has an open transaction since {row['start_time']}: {session}"
    if float(row["seconds"] or 0) > _WAITED_IN_VAIN:
        name = where.partition(" ")[0]
        raise GuardError(
            f"{found}. The trail ends in the middle of a transaction, and TRANSACTIONTIMEOUT does not act.",
            f"Write TRANSACTIONTIMEOUT 60 SECONDS into its parameter file. Then STOP REPLICAT {name} ! and START "
            f"REPLICAT {name}: it rolls back and reads the same transactions again. Then clear this task.",
        )
    return found


def is_cut_off(step: Step) -> str | None:
    """The survivor's Replicat is ABENDED because the trail ends inside a record; the sentence, else None."""
    name = step.at("target").settings.goldengate.groups.replicat
    ggsci = step.at("target").ggsci
    info, newest = ggsci.info(name), newest_trail_file(step)
    if info is None or info.status != "ABENDED" or newest is None or not _same_file(info.trail, newest[0]):
        return None
    report = ggsci.report_tail(name)
    if not is_cut_record(report):
        return None
    line = next((line.strip() for line in report.splitlines() if is_cut_record(line)), "")
    return (
        f"The trail at {step.at('target').name} ends inside a record: {newest[0]}, {newest[1]} bytes. "
        f"{name} is ABENDED there ({line[:300]})"
    )


def _abended(step: Step, where: str, trail: str | None, newest: tuple[str, int] | None) -> Observation:
    """The state of an ABENDED Replicat at the end of the trail.

    :raises TransientError: a person may correct its error.
    :raises GuardError: the trail ends inside a record, and nobody has accepted that.
    """
    name = where.partition(" ")[0]
    cut = is_cut_off(step)
    if cut is None:
        raise TransientError(
            f"{where} is ABENDED: changes that arrived are not applied. {step.at('target').ggsci.report_tail(name)}",
            f"Correct the error in the report, then START REPLICAT {name}.",
        )
    if not step.params.get("accept_cut_trail"):
        raise GuardError(
            f"{cut}. The transaction that the lost site was sending is lost. Complete transactions before it, in the "
            "same group, are not applied yet.",
            "If the lost site cannot send it again, start a run with the parameter accept_cut_trail: the Replicat then "
            "applies the complete transactions one by one.",
        )
    file, size = newest or ("no trail file", 0)
    details: JsonObject = {"trail": file, "size": size}
    if not step.ledger.has(facts.CUT_TRAIL):
        return Observation(
            False, f"{cut}. Complete transactions before it are not applied yet", {**details, "cut": True}
        )
    if rows := uncommitted(step):
        return Observation(False, f"{cut}. The database still rolls back: {len(rows)} transaction(s)", details)
    return Observation(
        True,
        f"{cut}. Every complete transaction before that record is applied and committed, one by one. The transaction "
        "of the record is lost",
        details,
    )


def is_up(status: str | None) -> bool:
    """The group runs or starts."""
    return status in ("RUNNING", "STARTING")
