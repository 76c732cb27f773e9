"""One survey: all is asked at the same time, within limits; a part without an answer is one finding among others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from tests.unit.evidence.watch_fakes import FakeSite, OracleLike

from infomart_dr import topology
from infomart_dr.errors import InfoMartError, PermanentError, RemoteCommandError, UnreachableError
from infomart_dr.evidence import watching
from infomart_dr.evidence.watch_store import parts
from infomart_dr.evidence.watching import Condition, Standing, State
from infomart_dr.guards import fencing, survey
from infomart_dr.guards.fencing import Endpoint
from infomart_dr.guards.purge_holds import IdbHolds
from infomart_dr.guards.survey import Survey
from infomart_dr.hooks.parse_ggsci import parse_info_all
from infomart_dr.hooks.remote_host import Completed
from infomart_dr.plan import facts

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "topology.yaml"
#: Sites of the example.
ACTIVE, STANDBY = "frankfurt", "dublin"
#: Its IDBs; the first one of the standby is not partitioned here.
IDBS = [f"{site}/{name}" for site in (ACTIVE, STANDBY) for name in ("ts-fra", "ts-dub")]
GROUPS = {
    ACTIVE: "MANAGER RUNNING\nEXTRACT RUNNING EGIM 00:00:02 00:00:05\nEXTRACT RUNNING PGIM 00:00:00 00:00:05\n",
    STANDBY: "MANAGER RUNNING\nREPLICAT RUNNING RGIM 00:00:01 00:00:05\n",
}


class NoTable(OracleLike, InfoMartError):
    """ORA-00942 as the hook raises it."""

    def __init__(self) -> None:
        OracleLike.__init__(self, "ORA-00942")
        self.what, self.next_step = "table or view does not exist.", ""


class Database(FakeSite):
    """A site's database: ledger, lock, markers, marks and calls."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__()
        self.world, self.name = world, name
        self.markers: list[str] = []
        self.without_ledger = False

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, Any]]:
        now = datetime.now(UTC).replace(tzinfo=None)
        if self.away:
            raise UnreachableError("no listener answers.", "Check it.")
        if name == "lock_holder":
            assert not self.world.without_tables
            beat = now - self.world.plan_quiet
            row = {"plan_id": "INC-1", "owner": "a run", "reason": "drill", "taken_at": beat, "heartbeat_at": beat}
            return [row] if self.world.lock_at == self.name else []
        if name == "markers":
            carried = self.name == ACTIVE or self.world.replicates
            rows = self.world.databases[ACTIVE].markers if carried else []
            return [{"marker_id": m, "written_at": now - timedelta(seconds=1), "asked_at": now} for m in rows]
        if name == "loading_pending":
            oldest = time.time() - self.world.loading_age
            return [{"data_source_key": 101, "row_count": 40, "oldest_ts": oldest}] if self.world.loading_age else []
        if name == "sessions_of":
            return list(self.world.sessions.get(self.name, []))
        if name == "logon_trigger":
            return list(self.world.triggers.get(self.name, []))
        if name == "privileges":
            return [{"privilege": each} for each in self.world.privileges]
        if name == "captures":
            if self.world.without_catalog:
                raise PermanentError("ORA-00942", "Grant SELECT_CATALOG_ROLE.")
            return self.world.captures.get(self.name, [])
        if name == "hwm":
            old = time.time() - self.world.mark_age
            return [{"data_source_key": 101, "table_name": "G_CALL", "max_ts": old}]
        if self.without_ledger:
            raise NoTable
        return super().select(name, identifiers, **binds)

    def value(self, name: str, identifiers: Any = None, **binds: Any) -> Any:
        if name == "table_exists":
            missing = self.world.without_tables or (self.without_ledger and binds["table_name"] == "DR_LEDGER")
            return 0 if missing else 1
        if name == "idb_last_event":
            return self.world.last_event
        assert name == "idb_calls_above"
        return self.world.calls_above

    def execute(self, name: str, identifiers: Any = None, **binds: Any) -> int:
        if name == "create_ledger_table":
            self.without_ledger = False
            return 0
        if name == "marker_put":
            if self.world.without_tables:
                raise NoTable
            self.markers.append(binds["marker_id"])
            return 1
        return super().execute(name, identifiers, **binds)


def capture(name: str, held: float | None = 600.0) -> dict[str, Any]:
    return {"capture_name": name, "status": "ENABLED", "required_checkpoint_scn": 4711, "held_seconds": held}


def session(machine: str, number: int = 12) -> dict[str, Any]:
    return {"sid": number, "serial": 99, "program": "gim_etl_server", "machine": machine}


class World:
    """A deployment whose parts a test breaks."""

    def __init__(self) -> None:
        document = yaml.safe_load(EXAMPLE.read_text())
        document["sites"][STANDBY]["role"] = "standby"
        document["watch"] = {"marker_wait": 0.5, "run_limit": 10, "timeout": 3}
        document["sites"][STANDBY]["idbs"][0]["partition_ring_days"] = None
        self.topology = survey.bounded(topology.parse(yaml.safe_dump(document), EXAMPLE))
        self.databases = {name: Database(self, name) for name in (ACTIVE, STANDBY)}
        self.lock_at = ""
        self.plan_quiet = timedelta(minutes=5)
        self.without_tables = False
        self.replicates = True
        self.mark_age, self.loading_age = 60.0, 0.0
        self.calls_above = 0
        #: Days for which purging is held, and IDBs that give no answer, by their labels.
        self.held = {label: 1.0 for label in IDBS}
        self.silent_idbs: set[str] = set()
        #: Days since the mark, and calls beyond it, by the labels of IDBs.
        self.extracted: dict[str, tuple[float, int]] = {}
        self.link = "answers"
        self.ggsci_says: dict[str, Callable[[], Any]] = {}
        self.hosts_away: set[str] = set()
        #: Rows of DBA_CAPTURE by site.
        self.captures = {ACTIVE: [capture("OGG$CAP_EGIM")]}
        self.without_catalog = False
        #: Sessions of Info Mart Servers, and the trigger that refuses them, by site; the owner's privileges.
        self.sessions: dict[str, list[dict[str, Any]]] = {ACTIVE: [session("gim-fra")]}
        self.triggers: dict[str, list[dict[str, Any]]] = {}
        self.privileges: list[str] = []
        #: Processes of Info Mart Servers by site; sites whose doors answer Airflow; the IDBs' last event.
        self.processes: dict[str, list[str]] = {ACTIVE: ["4711"]}
        self.doors: set[str] = set()
        self.last_event = 1_700_000_000

    def site(self, name: str) -> Any:
        return self.topology.site(name)

    def goldengate_database(self, site: str) -> Database:
        return self.databases[site]

    info_mart = dba = goldengate_database

    def oracle(self, connection: str) -> Database:
        return self.databases[ACTIVE]

    def purge_holds(self) -> Any:
        """The purge guard's answer about the IDBs."""

        def since(label: str) -> datetime | None:
            if label in self.silent_idbs or self.databases[label.partition("/")[0]].away:
                raise UnreachableError("no listener answers.", "Check it.")
            return datetime.now(UTC) - timedelta(days=self.held[label]) if label in self.held else None

        def of(site: str, idb: Any) -> Any:
            # Labelled by the product's own class.
            label = IdbHolds(site, idb, None, []).label  # type: ignore[arg-type]
            return SimpleNamespace(label=label, since=lambda: since(label))

        def waiting(idb: Any, since: datetime, now: datetime) -> tuple[datetime, int] | None:
            behind, calls = self.extracted.get(idb.label, (None, 0))
            return None if behind is None else (now - timedelta(days=behind), calls)

        return SimpleNamespace(of=of, waiting=waiting)

    def ggsci(self, site: str) -> Any:
        world = self

        class Ggsci:
            def info_all(self) -> Any:
                return world.ggsci_says.get(site, lambda: parse_info_all(GROUPS[site]))()

            def log_since(self, position: Any) -> Any:
                return [], (7, 100)

        return Ggsci()

    def host(self, site: str, kind: str = "db") -> Any:
        world = self

        class Host:
            label = f"{site}/db"

            def free_space(self, folder: str) -> int:
                if site in world.hosts_away:
                    raise UnreachableError("no route to host.", "Check it.")
                return 50_000_000_000

            def run(self, argv: Any, *, check: bool, stdin: str = "", timeout: float = 0) -> Completed:
                if kind == "gim":
                    if site in world.hosts_away:
                        raise UnreachableError("no route to host.", "Check it.")
                    found = world.processes.get(site, [])
                    return Completed(0 if found else 1, "\n".join(found), "")
                numbers = range(stdin.count("\nprobe_endpoint "))
                return Completed(0, "".join(f"{number} {world.link}\n" for number in numbers), "")

        return Host()

    def look(self) -> Survey:
        return survey.survey(self, "1.0")  # type: ignore[arg-type]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(survey, "PurgeHolds", lambda world: world.purge_holds())
    monkeypatch.setattr(
        fencing,
        "site_endpoints",
        lambda topology, site, seen_by: [
            Endpoint("SSH", site.database.host, 22),
            Endpoint("database listener", site.database.host, 1521),
        ],
    )
    world = World()
    hosts = {site.database.host: name for name, site in world.topology.sites.items()}
    monkeypatch.setattr(
        fencing,
        "probe_endpoint",
        lambda endpoint, timeout: "answers" if hosts.get(endpoint.host) in world.doors else "silent",
    )
    return world


def found(seen: Survey) -> dict[str, str]:
    return {finding.key: finding.level for finding in seen.findings}


def figures(seen: Survey) -> dict[str, float]:
    return {name: value for name, _, value in seen.figures}


def test_a_healthy_pair_is_judged_whole_and_shows_nothing(world: World) -> None:
    seen = world.look()
    assert found(seen) == {}
    assert seen.judged == seen.subjects
    assert seen.ledger_site == ACTIVE and set(seen.copies) == {ACTIVE, STANDBY}
    assert seen.state.positions == {ACTIVE: (7, 100), STANDBY: (7, 100)}
    assert figures(seen)["lag_seconds"] < 0.5 and figures(seen)["link_up"] == 1.0
    assert seen.arrived[ACTIVE, STANDBY]


def test_a_server_that_extracts_and_does_not_transform_is_found_although_its_marks_move(world: World) -> None:
    world.loading_age = 2 * 3600.0
    seen = world.look()
    assert found(seen) == {f"{ACTIVE}/loading/transformation": "warning"}
    assert "40 row(s) of 1 data source(s) wait, the oldest for 2 h" in seen.findings[0].sentence
    world.loading_age = 5 * 3600.0
    assert found(world.look()) == {f"{ACTIVE}/loading/transformation": "critical"}


def test_a_database_that_is_away_is_found_and_what_hangs_on_it_is_not_judged(world: World) -> None:
    world.databases[STANDBY].away = True
    seen = world.look()
    assert found(seen) == {f"{STANDBY}/database/look": "critical"}
    assert f"{ACTIVE}-{STANDBY}/lag" not in seen.judged
    assert {f"{STANDBY}/groups", f"{ACTIVE}/hwm"} <= seen.judged, "the rest is looked at"
    assert set(seen.copies) == {ACTIVE}


def test_with_the_active_database_away_the_standby_keeps_the_state(world: World) -> None:
    world.databases[ACTIVE].away = True
    seen = world.look()
    assert found(seen) == {f"{ACTIVE}/database/look": "critical"} and seen.ledger_site == STANDBY
    assert not {f"{ACTIVE}/hwm", f"{ACTIVE}/ts-fra/holds", f"{ACTIVE}-{STANDBY}/lag"} & seen.judged
    assert f"{STANDBY}/ts-fra/holds" in seen.judged, "the other site's IDBs are asked"


def test_a_registered_extract_without_a_group_is_found_until_it_is_unregistered(world: World) -> None:
    world.captures[STANDBY] = [capture("OGG$CAP_EGIM", None)]
    seen = world.look()
    assert found(seen) == {f"{STANDBY}/capture/OGG$CAP_EGIM": "warning"}
    (finding,) = seen.findings
    assert "is registered, and there is no such group" in finding.sentence
    assert "UNREGISTER EXTRACT EGIM DATABASE" in finding.remedy
    world.captures[STANDBY] = []
    assert f"{STANDBY}/capture" in world.look().judged and found(world.look()) == {}


def test_captures_that_cannot_be_judged_end_nothing(world: World) -> None:
    world.captures[STANDBY] = [capture("OGG$CAP_EGIM")]
    world.hosts_away = {STANDBY}
    assert f"{STANDBY}/capture" not in world.look().judged, "nobody knows its groups"
    world.hosts_away, world.lock_at = set(), ACTIVE
    assert f"{STANDBY}/capture" not in world.look().judged, "a plan may be about to add the group"
    world.lock_at, world.without_catalog = "", True
    seen = world.look()
    assert found(seen) == {f"{site}/capture/look": "critical" for site in (ACTIVE, STANDBY)}
    assert not {f"{site}/capture" for site in (ACTIVE, STANDBY)} & seen.judged


def test_a_host_that_is_away_is_found_once_and_nothing_of_it_is_judged(world: World) -> None:
    world.hosts_away = {STANDBY}
    seen = world.look()
    assert found(seen) == {f"{STANDBY}/host/look": "critical"}
    assert not {f"{STANDBY}/{part}" for part in ("groups", "ggserr", "trail")} & seen.judged


def test_a_part_that_gives_nonsense_is_found_and_the_others_are_judged(world: World) -> None:
    def broken() -> Any:
        raise RemoteCommandError("ggsci does not start.", "Check goldengate.home.")

    world.ggsci_says[ACTIVE] = broken
    seen = world.look()
    assert found(seen) == {f"{ACTIVE}/groups/look": "critical"}
    assert f"{ACTIVE}/groups" not in seen.judged and f"{ACTIVE}/trail" in seen.judged


def test_a_mistake_of_the_product_hides_nothing_either(world: World) -> None:
    def wrong() -> Any:
        raise KeyError("lag")

    world.ggsci_says[STANDBY] = wrong
    seen = world.look()
    assert found(seen) == {f"{STANDBY}/host/look": "critical"}
    assert "the survey itself failed here (KeyError: 'lag')" in seen.findings[0].sentence


def lost(world: World, architecture: str = "active-standby") -> World:
    """The active site is lost and silent, the standby has taken over and refuses the lost site's server."""
    with_roles(world, architecture, **{ACTIVE: "failed", STANDBY: "active"})
    world.link, world.processes = "silent", {STANDBY: ["815"]}
    world.sessions = {STANDBY: [session("gim-dub")]}
    world.ggsci_says |= {ACTIVE: unreachable, STANDBY: lambda: parse_info_all(NONE)}
    world.triggers = {STANDBY: [trigger()]}
    return world


def trigger(status: str = "ENABLED", validity: str = "VALID") -> dict[str, Any]:
    body = "machine in ('GIM-FRA', 'GIM-FRA.EXAMPLE.NET') or address in ('10.1.0.1')"
    return {"owner": "DBA1", "status": status, "validity": validity, "trigger_body": body}


def with_roles(world: World, architecture: str = "active-standby", **roles: str) -> World:
    sites = {
        name: site.model_copy(update={"role": roles.get(name, site.role)})
        for name, site in world.topology.sites.items()
    }
    world.topology = world.topology.model_copy(update={"sites": sites, "architecture": architecture})
    return world


NONE = "MANAGER STOPPED\n"
STOPPED = "MANAGER RUNNING\nREPLICAT STOPPED RGIM 00:00:00 00:10:00\n"
RUNS = "MANAGER RUNNING\nREPLICAT RUNNING RGIM 00:00:00 00:00:05\nREPLICAT RUNNING ROTHER 00:00:00 00:00:05\n"


@pytest.mark.parametrize(("says", "level"), [(NONE, None), (STOPPED, "critical"), (RUNS, "critical")])
@pytest.mark.parametrize("architecture", ["active-standby", "active-active"])
def test_a_replicat_at_a_site_that_serves_alone_is_critical(
    world: World, says: str, level: str | None, architecture: str
) -> None:
    lost(world, architecture).ggsci_says[STANDBY] = lambda: parse_info_all(says)
    seen = world.look()
    assert found(seen) == ({f"{STANDBY}/groups/RGIM": level} if level else {})
    assert f"{STANDBY}/groups" in seen.judged
    if level:
        (finding,) = seen.findings
        assert f"RGIM at {STANDBY} is" in finding.sentence and "DELETE REPLICAT RGIM" in finding.remedy


def unreachable() -> Any:
    raise UnreachableError("no route to host.", "Check it.")


def test_a_replicat_that_runs_at_the_source_of_a_replication_is_critical_too(world: World) -> None:
    world.ggsci_says[ACTIVE] = lambda: parse_info_all(GROUPS[ACTIVE] + "REPLICAT RUNNING RGIM 00:00:00 00:00:05\n")
    assert found(world.look()) == {f"{ACTIVE}/groups/RGIM": "critical"}


def test_goldengate_that_does_not_answer_at_a_site_that_serves_alone_is_found_where_there_must_be_one(
    world: World,
) -> None:
    def broken() -> Any:
        raise RemoteCommandError("ggsci does not start.", "Check goldengate.home.")

    lost(world).ggsci_says[STANDBY] = broken
    assert list(found(world.look())) == [f"{STANDBY}/groups/look"]
    with_roles(world, "active-active")
    assert found(world.look()) == {}


def test_groups_that_run_at_a_lost_site_are_critical_and_its_silence_is_none(world: World) -> None:
    seen = lost(world).look()
    assert found(seen) == {} and f"{ACTIVE}/groups" in seen.judged, "a dead site runs nothing"
    world.doors = {ACTIVE}
    world.ggsci_says[ACTIVE] = lambda: parse_info_all(GROUPS[ACTIVE])
    seen = world.look()
    both = {f"{ACTIVE}/groups/returned": "critical", f"{ACTIVE}/doors/returned": "warning"}
    assert found(seen) == both
    assert "EXTRACT EGIM is RUNNING on gimdb-fra, EXTRACT PGIM is RUNNING on gimdb-fra" in seen.findings[0].sentence
    assert "infomart_return_to_normal" in seen.findings[0].remedy
    world.lock_at = STANDBY
    assert found(world.look()) == {f"{STANDBY}/lock/plan": "info", **both}, "a plan at other sites makes nobody blind"
    world.ggsci_says[ACTIVE] = unreachable
    assert f"{ACTIVE}/groups" not in world.look().judged, "it lives, and its groups cannot be seen"


@pytest.mark.parametrize("old_roles", [False, True])
def test_each_sign_of_a_lost_site_is_found_by_one_survey_and_only_the_worst_is_critical(
    world: World, old_roles: bool
) -> None:
    lost(world)
    if old_roles:
        with_roles(world, **{ACTIVE: "active", STANDBY: "standby"})
        moved(world, by_failover=True)
        world.databases[ACTIVE].away, world.hosts_away = True, {ACTIVE}
    about = f"{ACTIVE}/"
    assert not [key for key in found(world.look()) if key.startswith(about) and not key.endswith("/look")]
    world.doors, world.hosts_away = {ACTIVE}, set()
    seen = world.look()
    assert levels(seen, about) == {"doors/returned": "critical"}
    sentence, remedy = said(seen, f"{ACTIVE}/doors/returned")
    assert "SSH (gimdb-fra:22), database listener (gimdb-fra:1521)" in sentence and "gim-fra" in remedy
    world.processes[ACTIVE] = ["4711"]
    seen = world.look()
    assert levels(seen, about) == {"server/returned": "critical", "doors/returned": "warning"}
    sentence, remedy = said(seen, f"{ACTIVE}/server/returned")
    assert f"process 4711 on gim-fra. The database of {STANDBY} refuses its logons. Also: it answers:" in sentence
    assert "Not by the Management Layer" in remedy and f"points to {STANDBY}" in remedy


def test_the_server_of_a_lost_site_that_writes_is_told_with_its_machine_and_session(world: World) -> None:
    lost(world).doors = {ACTIVE}
    world.processes[ACTIVE], world.triggers = ["4711"], {}
    world.sessions[STANDBY].append(session("GIM-FRA.example.net", 77))
    seen = world.look()
    assert levels(seen, "") == {
        f"{STANDBY}/writers/GIM-FRA.example.net": "critical",
        f"{ACTIVE}/server/returned": "warning",
        f"{ACTIVE}/doors/returned": "warning",
        f"{STANDBY}/admission/{ACTIVE}": "warning",
    }
    sentence, remedy = said(seen, f"{STANDBY}/writers/GIM-FRA.example.net")
    assert "session 77,99 of gim_etl_server on GIM-FRA.example.net" in sentence and ACTIVE in sentence
    assert "Stop it on GIM-FRA.example.net at once" in remedy
    assert "Nothing refuses its logons" in said(seen, f"{ACTIVE}/server/returned")[0]


def test_a_second_machine_that_nobody_knows_is_a_warning_and_one_alone_is_the_sites_own(world: World) -> None:
    world.sessions[ACTIVE] = [session("etl7")]
    seen = world.look()
    assert found(seen) == {} and seen.state.machines == {ACTIVE: ["etl7"]}
    world.sessions[ACTIVE].append(session("gim-fra", 13))
    assert found(world.look()) == {f"{ACTIVE}/writers/etl7": "warning"}


def test_a_machine_is_known_by_what_an_earlier_survey_has_seen(world: World) -> None:
    """The name that a JDBC client gives may be none of the topology's."""
    lost(world)
    for database in world.databases.values():
        database.rows = {"look": "3", **parts(State(number=3, machines={ACTIVE: ["etl7"]}))}
    world.sessions[STANDBY].append(session("etl7", 77))
    assert found(world.look())[f"{STANDBY}/writers/etl7"] == "critical"


@pytest.mark.parametrize(
    ("rows", "privileges", "why"),
    [
        ([], [], "there is no trigger"),
        ([trigger("DISABLED")], [], "the trigger of DBA1 is disabled"),
        ([trigger("ENABLED", "INVALID")], [], "the trigger of DBA1 is invalid"),
        ([{**trigger(), "trigger_body": "machine in ('OTHER')"}], [], "the trigger names other machines than"),
        ([trigger()], ["ADMINISTER DATABASE TRIGGER"], "GIM has ADMINISTER DATABASE TRIGGER"),
    ],
)
def test_a_serving_database_that_refuses_no_lost_server_is_a_warning(
    world: World, rows: list[Any], privileges: list[str], why: str
) -> None:
    lost(world).triggers, world.privileges = {STANDBY: rows}, privileges
    seen = world.look()
    assert found(seen) == {f"{STANDBY}/admission/{ACTIVE}": "warning"}
    assert why in seen.findings[0].sentence and "start_at_survivor.refuse_lost_site" in seen.findings[0].remedy
    fencing_ = world.topology.fencing.model_copy(update={"refuse_lost_site": False})
    world.topology = world.topology.model_copy(update={"fencing": fencing_})
    assert found(world.look()) == {}


def test_an_icon_of_a_lost_site_that_writes_again_is_found_by_the_idb_that_remains(world: World) -> None:
    lost(world)
    seen = world.look()
    assert seen.state.idb_events == {f"{STANDBY}/ts-fra": world.last_event}
    for database in world.databases.values():
        database.rows = {"look": "3", **parts(seen.state.model_copy(update={"number": 3}))}
    assert found(world.look()) == {}
    world.last_event += 60
    seen = world.look()
    assert found(seen) == {f"{ACTIVE}/icon/returned": "critical"}
    assert f"its ICON writes: {STANDBY}/ts-fra" in seen.findings[0].sentence and "gim-fra" in seen.findings[0].remedy


def test_the_events_of_an_earlier_loss_are_none_of_the_next(world: World) -> None:
    lost(world)
    before = world.look().state
    with_roles(world, **{ACTIVE: "active", STANDBY: "standby"})
    for database in world.databases.values():
        database.rows = {"look": "3", **parts(before.model_copy(update={"number": 3}))}
    assert before.idb_events and world.look().state.idb_events == {}


def test_of_two_active_sites_the_lost_ones_server_has_an_object_of_its_own(world: World) -> None:
    lost(world, "active-active").doors = {ACTIVE}
    world.processes[ACTIVE] = ["4711"]
    seen = world.look()
    assert levels(seen, f"{ACTIVE}/") == {"server/returned": "critical", "doors/returned": "warning"}
    sentence, remedy = said(seen, f"{ACTIVE}/server/returned")
    assert "refuses" not in sentence and "Management Layer" not in remedy and "on gim-fra" in remedy


def test_a_manager_that_runs_again_at_a_site_that_serves_alone_is_critical_unless_other_groups_need_it(
    world: World,
) -> None:
    lost(world).ggsci_says[STANDBY] = lambda: parse_info_all("MANAGER RUNNING\n")
    seen = world.look()
    assert found(seen) == {f"{STANDBY}/groups/MANAGER": "critical"}
    assert "on gimdb-dub" in seen.findings[0].sentence and "STOP MGR in ggsci on gimdb-dub" in seen.findings[0].remedy
    world.ggsci_says[STANDBY] = lambda: parse_info_all("MANAGER RUNNING\nREPLICAT RUNNING ROTHER 00:00:00 00:00:05\n")
    assert found(world.look()) == {}


@pytest.mark.parametrize("role", ["standby", "new"])
def test_a_server_that_runs_at_a_standby_or_a_new_site_is_critical(world: World, role: str) -> None:
    with_roles(world, **{STANDBY: role})
    world.processes[STANDBY] = ["815"]
    world.sessions[STANDBY] = [session("gim-dub")]
    seen = world.look()
    assert levels(seen, f"{STANDBY}/server") == {"/runs": "critical"}
    sentence, remedy = said(seen, f"{STANDBY}/server/runs")
    assert "process 815 on gim-dub" in sentence and "session 12,99 of gim_etl_server on gim-dub" in sentence
    assert "Stop it on gim-dub at once" in remedy


def test_a_server_that_a_plan_has_started_since_the_survey_read_its_ledger_is_no_second_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.lock_at, world.processes[STANDBY] = STANDBY, ["815"]
    read = survey.returned.server_processes

    def later(deployment: Any, site: str) -> list[str]:
        moved(world)
        world.databases[STANDBY].plans = world.databases[ACTIVE].plans
        return read(deployment, site)

    monkeypatch.setattr(survey.returned, "server_processes", later)
    assert found(world.look()) == {f"{STANDBY}/lock/plan": "info"}


def levels(seen: Survey, prefix: str) -> dict[str, str]:
    return {
        key.removeprefix(prefix): level
        for key, level in found(seen).items()
        if key.startswith(prefix) and not key.startswith("roles/") and not key.endswith("/look")
    }


def said(seen: Survey, key: str) -> tuple[str, str]:
    return next((each.sentence, each.remedy) for each in seen.findings if each.key == key)


def test_a_part_that_hangs_does_not_hold_the_survey_beyond_its_time(world: World) -> None:
    watch = world.topology.watch.model_copy(update={"run_limit": 1})
    world.topology = world.topology.model_copy(update={"watch": watch})
    world.ggsci_says[STANDBY] = lambda: time.sleep(4)
    began = time.monotonic()
    seen = world.look()
    assert time.monotonic() - began < 3
    assert found(seen) == {f"{STANDBY}/host/look": "critical"}


def stopped() -> Any:
    return parse_info_all("MANAGER RUNNING\nREPLICAT STOPPED RGIM 00:00:00 00:00:01\n")


@pytest.mark.parametrize("ledger_site", [ACTIVE, STANDBY])
def test_while_a_plan_holds_the_lock_at_either_site_no_group_and_no_lag_is_judged(
    world: World, ledger_site: str
) -> None:
    world.lock_at = ledger_site
    world.ggsci_says[STANDBY] = stopped
    seen = world.look()
    assert found(seen) == {f"{ledger_site}/lock/plan": "info"} and "INC-1 of a run" in seen.findings[0].sentence
    assert not {f"{STANDBY}/groups", f"{ACTIVE}-{STANDBY}/lag"} & seen.judged
    assert seen.arrived == {}, "no marker is removed"


def test_a_failovers_plan_keeps_what_it_stops_at_the_survivor_from_being_reported(world: World) -> None:
    world.databases[ACTIVE].away, world.hosts_away, world.lock_at = True, {ACTIVE}, STANDBY
    world.ggsci_says[STANDBY] = stopped
    assert found(world.look()) == {
        f"{ACTIVE}/database/look": "critical",
        f"{ACTIVE}/host/look": "critical",
        f"{STANDBY}/lock/plan": "info",
    }


def test_a_job_of_the_running_plan_that_waits_for_space_is_an_alert_until_it_goes_on(world: World) -> None:
    world.lock_at = STANDBY
    alarm = {"kind": "space", "since": time.time() - 3600, "what": "job GIM_IMP waits for space", "next": "Add space."}
    world.databases[STANDBY].plans["INC-1"] = {"job_alarm:load.run_impdp": json.dumps(alarm), "scn": "5"}
    seen = world.look()
    assert found(seen) == {f"{STANDBY}/lock/plan": "info", f"{STANDBY}/lock/load.run_impdp": "critical"}
    (finding,) = [each for each in seen.findings if each.level == "critical"]
    assert finding.sentence == "job GIM_IMP waits for space, since 1 h." and finding.remedy == "Add space."
    world.databases[STANDBY].plans["INC-1"] = {}
    seen = world.look()
    assert found(seen) == {f"{STANDBY}/lock/plan": "info"} and f"{STANDBY}/lock" in seen.judged


def test_the_source_writes_no_marker_while_a_plan_holds_its_lock(world: World) -> None:
    world.lock_at = ACTIVE
    world.look()
    assert world.databases[ACTIVE].markers == []


def test_a_plan_that_was_quiet_for_days_is_a_warning_until_its_lock_is_free(world: World) -> None:
    world.lock_at, world.plan_quiet = ACTIVE, timedelta(days=3)
    seen = world.look()
    assert found(seen) == {f"{ACTIVE}/lock/plan": "warning"}
    assert "Its last sign of life is 3 d old" in seen.findings[0].sentence
    world.lock_at = ""
    seen = world.look()
    assert found(seen) == {} and f"{ACTIVE}/lock" in seen.judged


def test_a_site_whose_database_is_away_does_not_end_what_is_known_of_its_lock(world: World) -> None:
    world.databases[STANDBY].away = True
    assert f"{STANDBY}/lock" not in world.look().judged


def test_where_the_procedures_have_no_tables_the_lag_is_not_measured_and_nothing_fails(world: World) -> None:
    world.without_tables = True
    assert found(world.look()) == {f"{ACTIVE}-{STANDBY}/lag/look": "info"}


def test_a_site_that_lacks_the_ledger_alone_gets_one_and_its_markers_are_seen_by_the_same_survey(world: World) -> None:
    """After a return to normal the ledger is at the other site."""
    world.databases[ACTIVE].without_ledger = True
    seen = world.look()
    assert found(seen) == {}
    assert figures(seen)["lag_seconds"] < 0.5


def test_a_marker_that_does_not_arrive_gives_a_lag_of_at_least_the_wait(world: World) -> None:
    world.replicates = False
    seen = world.look()
    assert figures(seen)["lag_seconds"] >= 0.5
    assert seen.arrived[ACTIVE, STANDBY] == set(), "nothing may be removed"


@pytest.mark.parametrize(("calls", "level"), [(0, None), (5, "warning")])
def test_an_old_mark_is_found_only_when_an_idb_holds_calls_beyond_it(
    world: World, calls: int, level: str | None
) -> None:
    world.mark_age, world.calls_above = 7200, calls
    assert found(world.look()).get(f"{ACTIVE}/hwm/101") == level


def test_a_silent_link_is_an_outage_that_counts_from_the_survey_that_saw_it_up(world: World) -> None:
    world.link = "silent"
    seen = world.look()
    assert found(seen) == {f"{ACTIVE}-{STANDBY}/link/outage": "warning"}
    assert "Airflow reaches it" in seen.findings[0].sentence
    assert 28_000 < figures(seen)["link_left_seconds"] <= 28_800


def test_a_purge_hold_that_nears_the_ceiling_is_found_where_there_is_one(world: World) -> None:
    world.held = {label: 13.5 for label in IDBS[:-1]}
    assert found(world.look()) == {f"{label}/holds/age": "critical" for label in IDBS[:2]}


def test_a_new_hold_is_found_where_extraction_is_behind_by_most_of_the_ring(world: World) -> None:
    world.extracted = {label: (13.0, 17) for label in IDBS} | {IDBS[1]: (13.0, 0)}
    assert found(world.look()) == {f"{label}/holds/age": "critical" for label in (IDBS[0], IDBS[3])}


def test_an_idb_that_gives_no_answer_hides_no_other_idbs_hold(world: World) -> None:
    silent, other = IDBS[:2]
    world.held = dict.fromkeys(IDBS, 13.5)
    world.silent_idbs = {silent}
    seen = world.look()
    assert found(seen) == {
        f"{silent}/holds/look": "critical",
        f"{other}/holds/age": "critical",
        f"{IDBS[3]}/holds/age": "critical",
    }
    assert f"{silent}/holds" not in seen.judged and f"{other}/holds" in seen.judged


def test_an_idb_that_gives_no_answer_for_one_survey_ends_and_begins_no_hold(world: World) -> None:
    world.held = {IDBS[0]: 13.5}
    conditions: dict[str, Condition] = {}

    def told(now: float) -> list[tuple[str, str]]:
        nonlocal conditions
        seen = world.look()
        conditions, alerts = watching.transitions("gim", conditions, seen.findings, seen.judged, seen.subjects, now)
        return [(alert.what, alert.key) for alert in alerts]

    assert told(0) == [("began", f"{IDBS[0]}/holds/age")]
    world.silent_idbs = set(IDBS)
    assert sorted(told(300)) == sorted(("began", f"{label}/holds/look") for label in IDBS)
    world.silent_idbs = set()
    assert sorted(told(600)) == sorted(("ended", f"{label}/holds/look") for label in IDBS)
    world.held = {}
    assert told(900) == [("ended", f"{IDBS[0]}/holds/age")]


def moved(world: World, *, by_failover: bool = False) -> None:
    """The ledger of a plan that made the standby active, where such a plan has it."""
    confirmed = {facts.SITE_FAILURE_CONFIRMED.name: "anna"} if by_failover else {}
    world.databases[STANDBY if by_failover else ACTIVE].plans["CHG-1"] = {
        facts.SITES.name: f"{ACTIVE} -> {STANDBY}",
        facts.POINT_OF_NO_RETURN.name: str(int(time.time()) - 60),
        **confirmed,
    }


def test_after_a_move_nothing_is_judged_by_the_old_roles_until_somebody_sets_them(world: World) -> None:
    moved(world)
    world.processes, world.sessions = {STANDBY: ["815"]}, {STANDBY: [session("gim-dub")]}
    world.ggsci_says |= {ACTIVE: lambda: parse_info_all(GROUPS[STANDBY]), STANDBY: lambda: parse_info_all(NONE)}
    world.mark_age, world.calls_above, world.replicates = 99_999, 5, False
    seen = world.look()
    assert found(seen) == {"roles/CHG-1": "warning"}
    (finding,) = seen.findings
    assert f"Plan CHG-1 made {STANDBY} active at" in finding.sentence and f"{ACTIVE}: active" in finding.sentence
    assert f"Set sites.{STANDBY}.role: active, sites.{ACTIVE}.role: standby" in finding.remedy
    assert not {f"{ACTIVE}/groups", f"{STANDBY}/groups", f"{ACTIVE}/hwm", f"{ACTIVE}-{STANDBY}/lag"} & seen.judged
    assert world.databases[ACTIVE].markers == [], "nothing is written into the new standby"
    assert figures(seen)["look_seconds"] >= 0
    with_roles(world, **{ACTIVE: "standby", STANDBY: "active"})
    world.ggsci_says[STANDBY] = lambda: parse_info_all(GROUPS[ACTIVE])
    after = world.look()
    assert "roles/CHG-1" not in found(after) and {"roles", f"{STANDBY}/groups"} <= after.judged


def test_after_a_failover_the_lost_site_is_no_alarm_and_the_survivors_groups_are_left_alone(world: World) -> None:
    lost(world)
    with_roles(world, **{ACTIVE: "active", STANDBY: "standby"})
    moved(world, by_failover=True)
    world.databases[ACTIVE].away, world.hosts_away = True, {ACTIVE}
    seen = world.look()
    assert found(seen) == {"roles/CHG-1": "warning"}
    assert f"sites.{ACTIVE}.role: failed" in seen.findings[0].remedy


def test_while_the_plan_that_moved_the_service_runs_its_roles_are_not_asked_for(world: World) -> None:
    moved(world)
    world.processes, world.sessions = {STANDBY: ["815"]}, {STANDBY: [session("gim-dub")]}
    world.databases[ACTIVE].plans["INC-1"] = world.databases[ACTIVE].plans.pop("CHG-1")
    world.lock_at = ACTIVE
    assert found(world.look()) == {f"{ACTIVE}/lock/plan": "info"}


def test_a_condition_of_a_site_that_is_alone_now_ends(world: World) -> None:
    """As when the standby has become the only site that is left: its role asks for no Replicat any more."""
    keys = (f"{STANDBY}/groups/RGIM", f"{STANDBY}/ggserr/OGG-01296", f"{STANDBY}/trail/disk", f"{ACTIVE}/database/look")
    before = {key: Condition(level="critical", told="critical", since=1.0, sentence="It is stopped.") for key in keys}
    seen = lost(world).look()
    after, alerts = watching.transitions("gim", before, seen.findings, seen.judged, seen.subjects, 99.0)
    assert after == {} and {alert.key for alert in alerts} == set(keys)
    assert {alert.what for alert in alerts} == {"ended"}


def test_a_server_that_a_plan_has_stopped_is_told_with_the_time_since(world: World) -> None:
    world.lock_at = ACTIVE
    for seconds, level in ((120, "info"), (1000, "warning"), (7200, "critical")):
        stopped_at = int(time.time()) - seconds
        world.databases[ACTIVE].plans["INC-1"] = {facts.LOADING_STOPPED.name: str(stopped_at)}
        seen = world.look()
        assert found(seen) == {f"{ACTIVE}/lock/plan": "info", f"{ACTIVE}/lock/outage": level}
        said = next(finding for finding in seen.findings if finding.key.endswith("outage")).sentence
        assert "Nobody loads data since" in said and "plan INC-1 has stopped" in said
        assert figures(seen)["outage_seconds"] >= seconds
    world.databases[ACTIVE].plans["INC-1"][facts.POINT_OF_NO_RETURN.name] = str(int(time.time()))
    assert f"{ACTIVE}/lock/outage" not in found(world.look())


def after_an_outage(world: World, hours: float) -> Survey:
    """A survey that finds the link up again; the one before had found it down."""
    link, now = f"{ACTIVE}-{STANDBY}", time.time()
    state = State(
        number=3,
        at=now - 300,
        links={link: now - hours * 3600},
        marks={ACTIVE: {"102": Standing(mark=int(now - hours * 3600 - 60), since=now)}},
        conditions={
            f"{link}/link/outage": Condition(level="warning", told="warning", since=now - 600, sentence="It is out.")
        },
    )
    for database in world.databases.values():
        database.rows = {"look": "3", **parts(state)}
    return world.look()


def test_after_an_outage_beyond_the_threshold_the_interval_that_was_given_up_is_told_by_data_source(
    world: World,
) -> None:
    seen = after_an_outage(world, 9)
    names = [idb.name for idb in world.topology.sites[STANDBY].idbs if idb.source_site in (None, STANDBY)]
    keys = {f"{ACTIVE}-{STANDBY}/link/given up: {name}" for name in names}
    assert keys and keys <= set(found(seen))
    lost = [finding for finding in seen.findings if finding.key in keys]
    assert all(finding.numbers["until"] == pytest.approx(time.time() - 8 * 3600, abs=30) for finding in lost)
    begins = sorted(finding.numbers["from"] for finding in lost)
    assert begins[0] == pytest.approx(time.time() - 9 * 3600 - 60, abs=30), "from the mark on, where it is known"
    # It lasts for a day, also when nothing else is wrong.
    later = seen.state.model_copy(update={"number": 9})
    for database in world.databases.values():
        database.rows = {"look": "9", **parts(later)}
    assert keys <= set(found(world.look()))


def test_an_outage_within_the_threshold_has_cost_nothing(world: World) -> None:
    assert not any("given up" in key for key in found(after_an_outage(world, 7)))


def test_a_survey_takes_no_longer_for_one_answer_than_watching_allows() -> None:
    read = topology.parse(EXAMPLE.read_text(), EXAMPLE)
    shorter = survey.bounded(read).timeouts
    assert (shorter.statement, shorter.command) == (30, 30)
    assert shorter.connect == min(read.timeouts.connect, 30) and shorter.catch_up == read.timeouts.catch_up


@pytest.mark.parametrize(
    ("trail", "folder"), [("./dirdat/em", "/u01/ogg/dirdat"), ("/trails/em", "/trails"), ("em", "/u01/ogg")]
)
def test_room_is_looked_for_where_a_site_writes_its_trail_or_gets_that_of_the_other(trail: str, folder: str) -> None:
    document = yaml.safe_load(EXAMPLE.read_text())
    for site, role, kind, other in ((ACTIVE, "active", "local", "remote"), (STANDBY, "standby", "remote", "local")):
        document["sites"][site]["role"] = role
        document["sites"][site]["goldengate"] |= {"home": "/u01/ogg", "trails": {kind: trail, other: "/elsewhere/oo"}}
    read = topology.parse(yaml.safe_dump(document), EXAMPLE)
    for site in (ACTIVE, STANDBY):
        assert survey.trail_folder(survey.Roles.of(read), site, read.sites[site]) == folder
