"""Set up and failed over in deployments that differ: sites, releases, wordings, partitions, RAA, reports, HA pairs.

A pairwise choice of combinations, each in a fresh lab. Every value of every axis occurs, and every pair of values of
two axes that have at most :data:`PAIRS` pairs: all but those of the Info Mart's release with an axis of three values,
which nothing in the product connects.
"""

from __future__ import annotations

import random
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from infomart_dr import files
from infomart_dr.errors import PermanentError
from infomart_dr.hooks import goldengate_parameters as parameters
from infomart_lab import config as lab_config
from infomart_lab import configuration, gi2ctl, lca, partitions, supervisor
from infomart_lab.config import DataSource, LabConfig, Site
from infomart_lab.demo import judge_loss, not_there
from infomart_lab.postgres import connect

from .conftest import assert_clean, change_topology, judge, running
from .driver import Procedure, connections

pytestmark = pytest.mark.lab

#: Values of each axis; ``a>b`` is the active site and its standby.
AXES: dict[str, tuple[str, ...]] = {
    "sites": ("site1>site2", "site3>site1", "site2>site3"),
    "goldengate_active": ("11.2", "19c", "21c"),
    "goldengate_standby": ("11.2", "19c", "21c"),
    "data_pump": ("11.2>11.2", "11.2>19c", "21c>21c"),
    "release": ("8.1.0", "8.1.1", "8.1.2", "8.1.3", "8.1.4", "8.5"),
    "raa": ("none", "8.1.3", "8.1.4"),
    "partitioned": ("no", "yes"),
    "reports": ("no", "yes"),
    "idb": ("pair", "single"),
}
#: Two axes with more pairs than that are not combined with each other.
PAIRS = 12
#: Of the first sixty numbers, the one with the fewest combinations.
SEED = 6

Row = dict[str, str]


def wanted_pairs(axes: Mapping[str, Sequence[str]]) -> set[tuple[tuple[str, str], tuple[str, str]]]:
    """Pairs of an axis' value with another one's that some combination must have."""
    return {
        ((one, x), (other, y))
        for one, other in combinations(axes, 2)
        if len(axes[one]) * len(axes[other]) <= PAIRS
        for x, y in product(axes[one], axes[other])
    }


def pairs_of(row: Row, axes: Mapping[str, Sequence[str]]) -> set[tuple[tuple[str, str], tuple[str, str]]]:
    """Pairs that a combination has."""
    return set(combinations([(name, row[name]) for name in axes], 2))


def pairwise(axes: Mapping[str, Sequence[str]], seed: int) -> list[Row]:
    """Combinations that have every wanted pair; the same ones at each call.

    Greedy: sixty candidates begin with a missing pair and choose the value of each further axis by the missing pairs
    that it adds. The candidate with the most is taken.
    """
    chance = random.Random(seed)
    names = list(axes)
    left, rows = wanted_pairs(axes), []

    def pair(one: tuple[str, str], other: tuple[str, str]) -> tuple[tuple[str, str], tuple[str, str]]:
        return (one, other) if names.index(one[0]) < names.index(other[0]) else (other, one)

    def candidate() -> Row:
        row = dict(chance.choice(sorted(left)))
        rest = [name for name in names if name not in row]
        chance.shuffle(rest)
        for name in rest:
            values = list(axes[name])
            chance.shuffle(values)
            row[name] = max(values, key=lambda v: sum(pair((name, v), item) in left for item in row.items()))
        return {name: row[name] for name in names}

    while left:
        best = max((candidate() for _ in range(60)), key=lambda row: len(pairs_of(row, axes) & left))
        rows.append(best)
        left -= pairs_of(best, axes)
    return rows


COMBINATIONS = pairwise(AXES, SEED)


def label(row: Row) -> str:
    """The combination as a test id."""
    yes = [name for name in ("partitioned", "reports") if row[name] == "yes"]
    words = [
        row["release"],
        row["sites"],
        f"gg_{row['goldengate_active']}>{row['goldengate_standby']}",
        f"dp_{row['data_pump']}",
        f"raa_{row['raa']}",
        f"idb_{row['idb']}",
        *yes,
    ]
    return "-".join(words)


def test_the_combinations_have_every_wanted_pair_and_every_value() -> None:
    found = set().union(*(pairs_of(row, AXES) for row in COMBINATIONS))
    assert wanted_pairs(AXES) <= found
    assert {(name, value) for name, values in AXES.items() for value in values} == {
        item for row in COMBINATIONS for item in row.items()
    }
    assert pairwise(AXES, SEED) == COMBINATIONS and len({label(row) for row in COMBINATIONS}) == len(COMBINATIONS)


# -- one combination -------------------------------------------------------------------------------


def asked(row: Row) -> dict[str, Any]:
    """Parameters of the lab."""
    active, standby = row["sites"].split(">")
    words = dict(zip((active, standby), row["data_pump"].split(">"), strict=True))
    sites = {name: Site(name=name, present=False, info_mart=False) for name in lab_config.SITES}
    sites[active] = Site(name=active, goldengate=row["goldengate_active"], data_pump=words[active], server_running=True)
    sites[standby] = Site(name=standby, goldengate=row["goldengate_standby"], data_pump=words[standby], info_mart=False)
    sources = [
        DataSource(
            name=f"TS{site[-1]}",
            key=100 + int(site[-1]),
            site=site,
            idb_sites=[site, other] if row["idb"] == "pair" else [site],
            share=share,
        )
        for site, other, share in ((active, standby, 0.7), (standby, active, 0.3))
    ]
    return {
        "sites": sites,
        "data_sources": sources,
        "release": row["release"],
        "partitioned": row["partitioned"] == "yes",
    }


def deployment(row: Row) -> Any:
    """The change of the lab's topology."""

    def change(document: dict[str, Any]) -> None:
        if row["raa"] == "none":
            document["raa"] = {"enabled": False}
        else:
            document["raa"]["release"] = row["raa"]
        if row["reports"] == "no":
            for site in document["sites"].values():
                del site["reports"]

    return change


@pytest.fixture
def list_for_8_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Adds a list for release 8.5, as its users must; the lab's 8.5 has the tables of 8.1.4."""

    def forget() -> None:
        files.environment.cache_clear()
        parameters.exclusions.cache_clear()

    def add() -> None:
        folder = tmp_path / "include"
        shutil.copytree(files.include_folder(), folder)
        newest = (folder / "gg" / "exclusions" / "8.1.4.yaml").read_text()
        (folder / "gg" / "exclusions" / "8.5.0.yaml").write_text(newest.replace('"8.1.4"', '"8.5.0"'))
        monkeypatch.setattr(files, "include_folder", lambda: folder)
        forget()

    yield add
    monkeypatch.undo()
    forget()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("row", COMBINATIONS, ids=label)
def test_a_standby_is_set_up_and_takes_over(row: Row, tmp_path: Path, base_port: int, list_for_8_5: Any) -> None:
    active, standby = row["sites"].split(">")
    with running(tmp_path / "lab", base_port=base_port, scale=300, rate=20.0, **asked(row)) as lab, connections(lab):
        change_topology(deployment(row))
        if row["goldengate_standby"] == "11.2" != row["goldengate_active"]:
            _a_trail_that_the_standby_cannot_read_is_refused(lab, active, standby)
            return
        if row["release"] == "8.5":
            _without_a_list_nothing_is_set_up(lab, active, standby)
            list_for_8_5()
        _the_standby_is_set_up(lab, row, active, standby)
        time.sleep(3)
        supervisor.request(lab, "fail", site=active)
        _the_standby_takes_over(lab, row, active, standby)


def _a_trail_that_the_standby_cannot_read_is_refused(lab: LabConfig, active: str, standby: str) -> None:
    """GoldenGate 11.2 reads no trail of 19c and 21c: nothing is copied, and the active site serves."""
    run = Procedure("infomart_setup_replication", plan="old", params={"source": active, "target": standby})
    with pytest.raises(PermanentError, match=r"GoldenGate 11\.2 on .* cannot read the trail of") as caught:
        run.run()
    assert "Install GoldenGate 12.2 or later" in caught.value.next_step
    assert not [task for task in run.results if task.startswith(("capture_at_source", "export_database"))]
    assert lca.status(lab, active) == "Running"
    assert_clean(judge(lab, active))


def _without_a_list_nothing_is_set_up(lab: LabConfig, active: str, standby: str) -> None:
    run = Procedure("infomart_setup_replication", plan="no-list", params={"source": active, "target": standby})
    with pytest.raises(PermanentError, match=r"no exclusion list for Info Mart release 8\.5") as caught:
        run.run()
    assert "include/gg/exclusions/8.5.0.yaml" in caught.value.next_step
    assert run.shown == {} and "hold_idb_purging" not in run.results
    assert not list((lab.goldengate_home(active) / "dirprm").glob("egim.prm"))
    assert lca.status(lab, active) == "Running"


def _the_standby_is_set_up(lab: LabConfig, row: Row, active: str, standby: str) -> None:
    run = Procedure("infomart_setup_replication", plan="setup", params={"source": active, "target": standby})
    run.run()
    early = row["release"] in ("8.1.0", "8.1.1")
    assert early == ("check_prerequisites.create_hwm_index" not in run.skipped)
    audits = judge(lab, active, standby)
    assert_clean(audits)
    print(f"{label(row)}: set up: {audits[standby].calls_written} calls, all at both sites")


def _the_standby_takes_over(lab: LabConfig, row: Row, active: str, standby: str) -> None:
    low: list[str] = []

    def lower(task_id: str) -> None:
        """Set sequences too low, once, as when their last values had not arrived."""
        if task_id == "drain_standby.raise_sequences" and not low:
            low.append("SEQ_INTERACTION_FACT")
            _set_sequences(lab, standby, dict.fromkeys(low, 1))

    def failover(plan: str) -> Procedure:
        params = {"failed_site": active, "survivor": standby}
        return Procedure("infomart_failover", plan=plan, params=params, before=lower)

    run = failover("failover")
    # Before 18c they are raised by a value with a larger increment.
    run.run()
    assert low and lca.status(lab, standby) == "Running"
    _the_steps_are_those_of_the_deployment(lab, row, run, standby)
    _the_lost_sources_are_ignored(lab, row, active, standby)
    audit = judge_loss(lab, (standby,))[standby]
    lost = not_there(audit)
    print(f"{label(row)}: failed over: {audit.calls_written} calls, {lost} lost")
    assert (audit.duplicated, audit.extra) == (0, 0), audit
    for task in ("gather_evidence.estimate_loss", "drain_standby.estimate_loss_again", "report_loss"):
        told = run.results[task]
        assert told["lost_low"] <= lost <= told["lost_high"], (task, told["report"], audit)


def _set_sequences(lab: LabConfig, site: str, values: dict[str, int]) -> None:
    with connect(lab, site) as conn:
        for name, value in values.items():
            conn.execute("select setval(%s, %s)", [f"gim.{name.lower()}", value])


def _the_steps_are_those_of_the_deployment(lab: LabConfig, row: Row, run: Procedure, standby: str) -> None:
    def ran(task_id: str) -> bool:
        return task_id not in run.skipped

    partitioned, raa = row["partitioned"] == "yes", row["raa"] != "none"
    assert ran("start_at_survivor.run_maintenance_job") == ran("configure_survivor.hold_scheduler") == partitioned
    assert ran("configure_survivor.disable_aggregation") == raa
    assert ran("bring_reports_into_service") == (row["reports"] == "yes")
    if partitioned:
        assert partitions.end_at(lab, standby) > time.time() + 13 * 86400
    if row["reports"] == "yes":
        assert gi2ctl.in_service(lab) == [standby]
    if raa:
        end = r"\d{4}-\d\d-\d\d" if row["raa"] == "8.1.4" else r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
        told = run.results["re_aggregate.check_request"]["summary"]
        assert re.match(rf"requested: {end} to {end} \(24 h before .* by the loss estimate\)$", told), told
    schedule = configuration.read(lab)["applications"]["GIM"]["options"]["schedule"]
    assert schedule["run-aggregates"] == schedule["run-scheduler"] == "true"


def _the_lost_sources_are_ignored(lab: LabConfig, row: Row, active: str, standby: str) -> None:
    """From 8.1.2 on their objects are disabled, before they are taken out of the connections."""
    applications = configuration.read(lab)["applications"]
    lost = {f"DAP_TS{active[-1]}_{active}", f"ICON_TS{active[-1]}_{active}"}
    if row["idb"] == "pair":
        lost |= {f"DAP_TS{standby[-1]}_{active}", f"ICON_TS{active[-1]}_{standby}"}
    disabled = {name for name, found in applications.items() if found["state"] == configuration.DISABLED}
    connected = set(applications["GIM"]["connections"])
    if row["release"] in ("8.1.0", "8.1.1"):
        assert disabled == set() and not lost & connected
    else:
        assert disabled == lost
    assert f"DAP_GIM_{standby}" in connected and f"DAP_GIM_{active}" not in connected
    assert applications["GIM"]["host"] == f"{standby}-gim"
