"""A partitioned Info Mart, the migration state and requested jobs, in a lab of one site."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import wait_until_still
from typer.testing import CliRunner

from infomart_lab import audit as judge
from infomart_lab import cli, configuration, genesys, host, icon, lca, partitions, site_setup
from infomart_lab import config as lab_config
from infomart_lab.config import DataSource, LabConfig, Site
from infomart_lab.postgres import connect

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

DAY = 86400
Wait = Callable[..., None]


def make(home: Path, base_port: int) -> LabConfig:
    """One site, whose only data source has no HA pair."""
    sites = {
        name: Site(name=name, present=name == "site1", server_running=name == "site1") for name in lab_config.SITES
    }
    source = DataSource(name="TS1", key=101, site="site1", idb_sites=["site1"])
    return lab_config.create(
        home, base_port=base_port, scale=300, rate=20, sites=sites, data_sources=[source], partitioned=True
    )


@pytest.fixture
def lab(whole_lab: LabConfig) -> Iterator[LabConfig]:
    """The lab in its first state, whatever the test before has changed."""
    icon.set_load(whole_lab, 20)
    yield whole_lab
    configuration.path(whole_lab).unlink(missing_ok=True)
    partitions.set_end(whole_lab, "site1", time.time() + 14 * DAY)
    site_setup.behind(whole_lab, "site1", whole_lab.release)
    if not lca.processes(whole_lab, "site1"):
        genesys.start_server(whole_lab, "site1")


def run(config: LabConfig, *command: str) -> tuple[int, str]:
    """A command on the server's host as the product runs it; exit code and both streams."""
    done = subprocess.run(
        [str(config.bin_dir("site1", "gim") / command[0]), *command[1:]],
        env=host.environment(config, "site1", "gim"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def option(config: LabConfig, section: str, name: str, value: str) -> None:
    def change(document: dict[str, Any]) -> None:
        document["applications"]["GIM"]["options"][section][name] = value

    configuration.update(config, change)


def sql(config: LabConfig, query: str) -> Any:
    with connect(config, "site1") as conn:
        return conn.execute(query.encode()).fetchall()[0][0]


def facts(config: LabConfig) -> int:
    return sql(config, "select count(*) from gim.interaction_fact")


def mark(config: LabConfig) -> int:
    return sql(config, "select max(max_ts) from gim.ctl_extract_hwm")


def ended(config: LabConfig, job: str, status: str = "success") -> int:
    return sql(
        config, f"select count(*) from gim.admin_etl_job_history where job_name = '{job}' and status = '{status}'"
    )


def log(config: LabConfig) -> str:
    return (config.server_root("site1") / "logs" / "gim_etl.log").read_text()


def settled(config: LabConfig) -> None:
    """Every call has arrived once."""
    found = judge.audit(config, "site1", wait=30)
    assert (found.missing, found.duplicated, found.extra, found.pending) == (0, 0, 0, 0), found
    assert found.calls_written > 0


def test_a_maintained_site_has_partitions_for_the_range_ahead(lab: LabConfig) -> None:
    assert abs(partitions.end_at(lab, "site1") - time.time() - 14 * DAY) < 120


def test_without_a_partition_nothing_is_loaded_and_nothing_is_lost_until_the_maintenance_has_run(
    lab: LabConfig, wait: Wait, still: Callable[[], None]
) -> None:
    wait(lambda: facts(lab) > 300)
    partitions.set_end(lab, "site1", time.time() - 60)
    failures = ended(lab, "Job_TransformGIM", "failure")
    wait(lambda: ended(lab, "Job_TransformGIM", "failure") > failures)
    held, reached = facts(lab), mark(lab)
    assert "55-20120 Job_TransformGIM" in log(lab)
    assert "ORA-14400: inserted partition key does not map to any partition" in log(lab)
    # Extraction goes on, the schedule's own maintenance comes after the transformation that fails.
    wait(lambda: mark(lab) > reached)
    wait(lambda: ended(lab, "Job_TransformGIM", "failure") > failures + 1)
    assert facts(lab) == held
    assert partitions.end_at(lab, "site1") < time.time()

    code, shown = run(lab, "gimjob", "Job_MaintainGIM")
    assert (code, len(shown.splitlines())) == (0, 1)
    assert "Job_MaintainGIM JOB-" in shown and "finished" in shown
    assert abs(partitions.end_at(lab, "site1") - time.time() - 14 * DAY) < 120
    still()
    settled(lab)
    assert facts(lab) > held


def test_a_job_that_is_asked_for_runs_while_the_scheduler_is_off(lab: LabConfig, wait: Wait) -> None:
    option(lab, "schedule", "run-scheduler", "false")
    option(lab, "gim-etl", "partitioning-ahead-range", "3")
    partitions.set_end(lab, "site1", time.time() - 60)
    reached = wait_until_still(lambda: mark(lab), 2, what="the high-water mark")
    done = ended(lab, "Job_MaintainGIM")
    assert run(lab, "gimjob", "Job_MaintainGIM")[0] == 0
    assert ended(lab, "Job_MaintainGIM") == done + 1
    assert abs(partitions.end_at(lab, "site1") - time.time() - 3 * DAY) < 120
    assert mark(lab) == reached  # no other job was run
    option(lab, "schedule", "run-scheduler", "true")
    wait(lambda: mark(lab) > reached)


def test_the_schedule_makes_partitions_ahead_in_time(lab: LabConfig, wait: Wait) -> None:
    partitions.set_end(lab, "site1", time.time() + DAY)
    wait(lambda: partitions.end_at(lab, "site1") > time.time() + 13 * DAY)


def test_in_the_migration_state_only_the_migration_runs(lab: LabConfig, wait: Wait, still: Callable[[], None]) -> None:
    begin = len(log(lab))
    site_setup.behind(lab, "site1")
    wait(lambda: "55-20152" in log(lab)[begin:])
    reached = wait_until_still(lambda: mark(lab), 3, what="the high-water mark")
    code, shown = run(lab, "gimjob", "Job_MaintainGIM")
    assert (code, "run Job_MigrateGIM first" in shown) == (3, True)
    code, shown = run(lab, "gimjob", "Job_MigrateGIM")
    assert (code, "schema 8.1.4" in shown) == (0, True)
    assert sql(lab, "select schema_version from gim.ctl_schema_info") == "8.1.4"
    wait(lambda: mark(lab) > reached)
    still()
    settled(lab)


def test_a_migration_on_demand_needs_no_request(lab: LabConfig, wait: Wait) -> None:
    option(lab, "schedule", "on-demand-migration", "true")
    site_setup.behind(lab, "site1")
    wait(lambda: sql(lab, "select schema_version from gim.ctl_schema_info") == "8.1.4")


def test_a_migration_of_a_schema_that_is_up_to_date_succeeds(lab: LabConfig) -> None:
    assert run(lab, "gimjob", "Job_MigrateGIM")[0] == 0


def test_an_idb_is_read_without_its_icon_and_not_without_its_access_point(
    lab: LabConfig, wait: Wait, still: Callable[[], None]
) -> None:
    def disable(name: str) -> None:
        genesys.replace(lab, name, {**genesys.application(lab, name), "state": configuration.DISABLED})

    disable("ICON_TS1_site1")
    time.sleep(2)
    reached = mark(lab)
    wait(lambda: mark(lab) > reached)
    begin = len(log(lab))
    disable("DAP_TS1_site1")
    wait(lambda: "55-20012 IDBs in use: none" in log(lab)[begin:])
    wait_until_still(lambda: mark(lab), 3, what="the high-water mark")
    genesys.replace(lab, "DAP_TS1_site1", {**genesys.application(lab, "DAP_TS1_site1"), "state": 1})
    still()
    settled(lab)


def test_a_statement_is_run_by_the_user_of_a_connection_of_the_topology(lab: LabConfig) -> None:
    def sql(connection: str, statement: str) -> tuple[int, Any]:
        result = CliRunner().invoke(cli.app, ["sql", connection, statement, "--home", str(lab.home), "--json"])
        return result.exit_code, json.loads(result.stdout)

    assert sql("oracle_site1_dba", "select user as who from dual;") == (0, [{"WHO": "SYSTEM"}])
    code, reply = sql("oracle_site1_gim", "select * from not_there")
    assert code == 1
    assert reply["error"].startswith("ORA-00942")
    code, reply = sql("oracle_site9_gim", "select 1 from dual")
    assert code == 2
    assert "oracle_site1_gim" in reply["error"]


def test_icons_are_shown_with_the_state_of_their_program(lab: LabConfig) -> None:
    app = genesys.application(lab, "ICON_TS1_site1")
    assert genesys.status_of(lab, "site1", app)["status"] == "Running"
    with pytest.raises(genesys.ConfigurationError, match="not on a host that this server controls"):
        genesys.control(
            lab,
            "site1",
            {"scs": "stopapp", "user": "default", "password": lab.passwords["site1"]["GAX"], "dbid": app["dbid"]},
        )


def test_reports_are_brought_into_service_on_their_host(lab: LabConfig) -> None:
    assert run(lab, "gi2ctl", "status", "site1") == (0, "GI2 of site1 is in service\n")
    assert run(lab, "gi2ctl", "stop", "site1")[0] == 0
    assert run(lab, "gi2ctl", "status", "site1")[0] == 3
    assert run(lab, "gi2ctl", "start", "site1") == (0, "GI2 of site1 is in service\n")


def test_a_job_of_a_stopped_server_is_not_started(lab: LabConfig, wait: Wait) -> None:
    lca.stop(lab, "site1")
    assert run(lab, "gimjob", "Job_MaintainGIM")[0] == 2
    assert list((lab.server_root("site1") / "jobs").glob("*.request")) == []
