"""Unused leftovers of older replication are moved aside."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeStep

from infomart_dr.errors import GuardError
from infomart_dr.guards.replication import no_older_transactions
from infomart_dr.operators.replication import (
    RecreateCheckpointTable,
    RemoveOldReplication,
    RemoveReplicationToTarget,
)
from infomart_dr.plan import facts
from infomart_dr.topology import Trails

#: Files of a GoldenGate home with a space in its path, as an operator's own home may have.
FILES = (
    *("dirdat/em000000000", "dirdat/em000000001", "dirdat/dp000000000", "dirdat/zz000000000", "dirdat/dpnotes"),
    *("dirchk/EGIM.cpe", "dirchk/RGIM.cpr", "dirchk/OTHER.cpe", "dirrpt/EGIM.rpt", "dirrpt/EGIM0.rpt"),
    *("dirrpt/rgim.dsc", "dirrpt/MGR.rpt", "trace/pgim.trc", "dirprm/egim.prm", "BR/EGIM/CP.EGIM.000000001"),
)


class Site:
    """GoldenGate at a site: files on disk, groups, and the commands that were given."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.groups = {"EGIM": "EXTRACT", "PGIM": "EXTRACT", "RGIM": "REPLICAT"}
        self.commands: list[str] = []
        self.checkpoints: list[dict[str, str | None]] = []
        for name in FILES:
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)

    def ggsci(self) -> Any:
        def gone(verb: str, name: str) -> Any:
            self.commands.append(f"{verb} {name}")
            if verb == "REMOVE":
                self.groups.pop(name, None)
            return SimpleNamespace(what="done")

        return SimpleNamespace(
            info_all=lambda: [SimpleNamespace(program=kind, group=name) for name, kind in self.groups.items()],
            info=lambda name: f"{name} STOPPED",
            definition=lambda name: f"{name} at SCN 4711",
            remove_group=lambda name: gone("REMOVE", name),
            recreate_checkpoint_table=lambda: gone("RECREATE", "GGS_CHECKPOINT"),
        )

    def left(self) -> set[str]:
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()}


def run(argv: list[str]) -> Any:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def sites(tmp_path: Path) -> dict[str, Site]:
    return {role: Site(tmp_path / f"home of {role}") for role in ("source", "target")}


def step_of(sites: dict[str, Site], **facts: str) -> Any:
    step: Any = FakeStep(**facts)
    groups = SimpleNamespace(extract="EGIM", pump="PGIM", replicat="RGIM")
    trails = {
        "source": Trails(local="./dirdat/em", remote={"site1": "./dirdat/zz", "site3": "./dirdat/dp"}),
        "target": Trails(local="./dirdat/em", remote="./dirdat/dp"),
    }
    step.site = lambda role: SimpleNamespace(
        goldengate=SimpleNamespace(
            home=str(sites[role].home),
            groups=groups,
            trails=trails[role],
            capture="integrated",
            schema_name="GGATE",
            checkpoint_table="GGS_CHECKPOINT",
        )
    )
    step.goldengate_database = lambda role: SimpleNamespace(select=lambda name, names: sites[role].checkpoints)
    step.ggsci = lambda role: sites[role].ggsci()
    step.host = lambda role, kind="db": SimpleNamespace(
        run=run, write_file=lambda path, text: Path(path).write_text(text)
    )
    return step


def test_all_of_an_older_replication_is_removed_and_kept_aside(sites: dict[str, Site]) -> None:
    step = step_of(sites)
    RemoveOldReplication(task_id="remove")._run(step)
    site = sites["source"]
    assert site.commands == [*("REMOVE RGIM", "REMOVE PGIM", "REMOVE EGIM")]
    aside = {name.removeprefix("dirdat/old-0a1b2c3d/") for name in site.left() if "old-0a1b2c3d" in name}
    assert aside == {
        *("egim.info", "pgim.info", "rgim.info", "dirdat/em000000000", "dirdat/em000000001", "dirdat/dp000000000"),
        *("dirchk/EGIM.cpe", "dirchk/RGIM.cpr", "dirrpt/EGIM.rpt", "dirrpt/EGIM0.rpt", "dirrpt/rgim.dsc"),
        # Of a third site too.
        *("trace/pgim.trc", "BR/EGIM/CP.EGIM.000000001", "dirdat/zz000000000"),
    }
    rest = {name for name in site.left() if "old-" not in name}
    # Other groups, other trails, the manager and the parameter files are no leftovers.
    assert rest == {
        *("dirdat/dpnotes", "dirchk/OTHER.cpe", "dirrpt/MGR.rpt", "dirprm/egim.prm"),
    }
    assert (site.home / "dirdat/old-0a1b2c3d/egim.info").read_text() == "EGIM at SCN 4711\n"


def test_of_a_direction_in_use_groups_and_trails_stay(sites: dict[str, Site]) -> None:
    RemoveOldReplication(task_id="remove", keep="to_target")._run(step_of(sites))
    assert set(sites["source"].groups) == {"EGIM", "PGIM"} and set(sites["target"].groups) == {"RGIM"}
    assert {"dirdat/em000000000", "dirchk/EGIM.cpe"} <= sites["source"].left()
    assert "dirdat/dp000000000" not in sites["source"].left()
    assert "dirdat/dp000000000" in sites["target"].left() and "dirdat/em000000000" not in sites["target"].left()


def test_a_removal_that_broke_off_is_finished_by_the_retry(sites: dict[str, Site]) -> None:
    """Removed groups have left their files."""
    sites["source"].groups.clear()
    RemoveOldReplication(task_id="remove")._run(step_of(sites))
    assert "dirchk/EGIM.cpe" not in sites["source"].left()


def test_checkpoint_tables_are_made_again_once_and_not_under_somebody_elses_replicat(sites: dict[str, Site]) -> None:
    operator = RecreateCheckpointTable(task_id="recreate")
    with pytest.raises(GuardError, match="old_replication_removed"):
        operator._run(step_of(sites))
    for site in sites.values():
        site.groups.clear()
    sites["target"].groups["RSALES"] = "REPLICAT"
    step = step_of(sites, old_replication_removed="yes")
    operator._run(step)
    operator._run(step)
    assert sites["source"].commands == ["RECREATE GGS_CHECKPOINT"] and sites["target"].commands == []


def test_groups_that_a_later_plan_added_under_the_same_names_stay(sites: dict[str, Site]) -> None:
    step = step_of(sites, point_of_no_return="1")
    task = RemoveReplicationToTarget(task_id="remove_replication_to_target")
    task._run(step)
    assert step.ledger["to_target_removed"]
    removed = {role: list(site.commands) for role, site in sites.items()}
    for site in sites.values():
        site.groups = {"EGIM": "EXTRACT", "PGIM": "EXTRACT", "RGIM": "REPLICAT"}
    # A person clears the older run.
    task._run(step)
    assert {role: site.commands for role, site in sites.items()} == removed
    assert any("REMOVE EGIM" in commands for commands in removed.values())


def test_the_plan_whose_capture_runs_is_recorded_at_both_sites(sites: dict[str, Site]) -> None:
    step = step_of(sites)
    for entry in step.replications:
        entry["plan"] = "older"
    RemoveOldReplication(task_id="remove_old_replication")._run(step)
    assert [entry["plan"] for entry in step.replications] == ["plan-1", "plan-1"]


def test_an_idle_session_with_an_open_transaction_is_named_with_its_idle_time(sites: dict[str, Site]) -> None:
    """A person who left a window open is asked another question than a program that works."""
    row = {
        **{"sid": 7, "serial": 11, "inst_id": 1, "username": "ANNA", "program": "sqlplus", "machine": "pc1"},
        **{"start_time": "10:00", "status": "INACTIVE", "idle_seconds": 7200},
    }
    step = step_of(sites)
    step.ledger.put_once(facts.CAPTURE_SCN.of("to_target"), 4711)
    step.dba = lambda role: SimpleNamespace(select=lambda name, before_scn: [row, {**row, "status": "ACTIVE"}])
    seen = no_older_transactions(step, "to_target")
    assert not seen.satisfied
    assert [session.partition("since 10:00")[2] for session in seen.details["sessions"]] == [", idle for 2 h)", ")"]


def test_a_checkpoint_table_that_a_replicat_of_another_home_uses_stays(sites: dict[str, Site]) -> None:
    for site in sites.values():
        site.groups.clear()
        # Left behind by a DELETE REPLICAT without a login.
        site.checkpoints = [{"group_name": "RGIM", "current_dir": f"{site.home}/"}]
    sites["target"].checkpoints.append({"group_name": "RGIM", "current_dir": "/u01/sales/ogg"})
    RecreateCheckpointTable(task_id="recreate")._run(step_of(sites, old_replication_removed="yes"))
    assert sites["source"].commands == ["RECREATE GGS_CHECKPOINT"] and sites["target"].commands == []
