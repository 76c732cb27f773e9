"""DAG files: they import without I/O, are complete, and keep the order that loses nothing."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.dagrun import DagRun
from airflow.serialization.serialized_objects import DagSerialization

from infomart_dr.errors import TopologyError
from infomart_dr.readiness import procedures as readiness_procedures
from infomart_dr.topology import Architecture, Topology

ROOT = Path(__file__).resolve().parents[3]
#: DAGs that change a deployment, one at a time.
PROCEDURES = (
    "infomart_cutover",
    "infomart_database_transfer",
    "infomart_failover",
    "infomart_reaggregate",
    "infomart_return_to_normal",
    "infomart_return_to_normal_active_active",
    "infomart_reverse_sync",
    "infomart_setup_replication",
    "infomart_switchover",
)
#: DAGs of every day, which need no lock.
DAY_TO_DAY = ("infomart_purge_guard", "infomart_purge_hold", "infomart_readiness", "infomart_watch")
DAGS = PROCEDURES + DAY_TO_DAY
#: Teardowns that put the service back; release_lock fails when it is not back.
BACK_OUTS = ("return_service_to_source", "return_standby")


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(str(ROOT / "dags"))


def test_every_dag_file_imports(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == set(DAGS)


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_dag_survives_serialisation_with_its_documentation(bag: DagBag, dag_id: str) -> None:
    dag = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[dag_id]))
    assert re.search(r"\bpp?\. \d", dag.doc_md or ""), "the page of the guide is missing"
    assert {task.task_id for task in dag.tasks} == set(bag.dags[dag_id].task_ids)


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_task_says_its_guide_step_what_it_changes_and_how_to_undo_it(bag: DagBag, dag_id: str) -> None:
    for task in bag.dags[dag_id].tasks:
        for heading in ("Changes:", "Undo:"):
            assert heading in (task.doc_md or ""), f"{task.task_id} lacks {heading}"


@pytest.mark.parametrize("dag_id", PROCEDURES)
@pytest.mark.parametrize("architecture", ["active-standby", "active-active"])
def test_a_procedure_is_refused_by_a_deployment_of_the_other_architecture(
    bag: DagBag, dag_id: str, architecture: Architecture
) -> None:
    """Otherwise a second server would start, or a copy would replace an Info Mart that serves."""
    both = {"infomart_failover", "infomart_reaggregate"}
    own = "active-active" if dag_id.endswith("active_active") else "active-standby"
    topology = Topology.model_construct(architecture=architecture, deployment="lab")
    lock = bag.dags[dag_id].get_task("take_lock")
    if dag_id in both or architecture == own:
        lock.must_fit(topology)
        return
    with pytest.raises(TopologyError, match=f"{dag_id} is for {own} deployments, and lab is {architecture}"):
        lock.must_fit(topology)


@pytest.mark.parametrize("name", ["failover", "switchover", "setup_replication", "database_transfer"])
def test_readiness_knows_for_which_architecture_a_procedure_is(bag: DagBag, name: str) -> None:
    assert readiness_procedures.PROCEDURES[name].only == bag.dags[f"infomart_{name}"].get_task("take_lock").only


@pytest.mark.parametrize("dag_id", DAY_TO_DAY)
def test_a_dag_of_every_day_takes_no_lock(bag: DagBag, dag_id: str) -> None:
    assert not {"take_lock", "release_lock"} & set(bag.dags[dag_id].task_ids)


def test_the_guard_runs_every_five_minutes_as_soon_as_it_is_there(bag: DagBag) -> None:
    guard = bag.dags["infomart_purge_guard"]
    assert guard.schedule == "*/5 * * * *"
    assert (guard.catchup, guard.max_active_runs, guard.is_paused_upon_creation) == (False, 1, False)


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_field_of_a_form_has_a_title_a_description_and_a_validation(bag: DagBag, dag_id: str) -> None:
    params = bag.dags[dag_id].params
    for name in params:
        schema = params.get_param(name).schema
        assert schema.get("title"), name
        assert params.get_param(name).description or schema.get("description"), name
        assert {"pattern", "enum", "minimum", "maxLength", "format"} & set(schema) or schema["type"] == "boolean", name


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_parameter_has_a_default_unless_it_is_required(bag: DagBag, dag_id: str) -> None:
    params = bag.dags[dag_id].params
    required = {"plan"} if dag_id in ("infomart_cutover", "infomart_reverse_sync") else set()
    for name in set(params) - required:
        params.get_param(name).resolve()


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_task_refuses_a_wrong_request_and_tells_the_ticket(bag: DagBag, dag_id: str) -> None:
    from infomart_dr.operators.base import before_each

    moments = {"on_execute": "begins", "on_success": "ends", "on_skipped": "ends", "on_failure": "fails"}
    for task in bag.dags[dag_id].tasks:
        hook = task.partial_kwargs["pre_execute"] if task.is_mapped else task._pre_execute_hook
        assert hook is before_each, task.task_id
        for kind, moment in moments.items():
            called = [each.moment for each in getattr(task, f"{kind}_callback")]
            assert called == [moment], f"{task.task_id}: {kind}"
        if hasattr(task, "notifiers"):
            assert [each.moment for each in task.notifiers] == ["waits"], task.task_id


@pytest.mark.parametrize("dag_id", DAGS)
def test_the_longest_id_of_a_run_fits_where_the_lock_names_its_owner(dag_id: str) -> None:
    from infomart_dr.plan.parameters import RUN_ID_LIMIT

    assert len(f"{dag_id} ") + RUN_ID_LIMIT <= 250


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_run_that_fails_without_a_word_tells_the_ticket_by_its_dag(bag: DagBag, dag_id: str) -> None:
    assert bag.dags[dag_id].on_failure_callback.moment == "run fails"
    assert DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[dag_id])).has_on_failure_callback


def test_a_dag_is_serialised_the_same_in_every_process(bag: DagBag) -> None:
    """Otherwise each parse by the DAG processor would make another version of it."""
    script = (
        "import json\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "from airflow.serialization.serialized_objects import DagSerialization\n"
        f"b = DagBag({str(ROOT / 'dags' / 'infomart_failover.py')!r})\n"
        "print('::' + json.dumps(DagSerialization.to_dict(b.dags['infomart_failover'])['dag']['default_args'], "
        "sort_keys=True))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "plugins")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    here = DagSerialization.to_dict(bag.dags["infomart_failover"])["dag"]["default_args"]
    assert json.loads(done.stdout.split("::")[-1]) == json.loads(json.dumps(here))


def test_watching_runs_every_five_minutes_one_run_at_a_time_and_makes_up_for_none(bag: DagBag) -> None:
    dag = bag.dags["infomart_watch"]
    assert (dag.schedule, dag.catchup, dag.max_active_runs) == ("*/5 * * * *", False, 1)
    assert dag.get_task("watch").is_mapped and dag.get_task("watch").execution_timeout is not None


def before(bag: DagBag, first: str, second: str, dag_id: str = "infomart_return_to_normal") -> bool:
    dag = bag.dags[dag_id]
    return second in {task.task_id for task in dag.get_task(first).get_flat_relatives(upstream=False)}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("hold_idb_purging", "capture_at_source.add_extract"),
        ("capture_at_source.add_extract", "export_database.capture_scn"),
        ("capture_at_source.start_extract_and_pump", "capture_at_source.wait_for_older_transactions"),
        ("capture_at_source.wait_for_older_transactions", "export_database.capture_scn"),
        ("export_database.wait_for_quiet_etl", "export_database.capture_scn"),
        ("export_database.stop_info_mart_server", "export_database.capture_scn"),
        ("export_database.capture_scn", "export_database.run_expdp"),
        ("transfer_dump_set.verify_dump_set", "import_database.drop_sequences"),
        ("import_database.drop_sequences", "import_database.run_impdp"),
        ("import_database.check_objects", "synchronise.start_replicat_after_csn"),
        ("synchronise.wait_for_catch_up", "approve_cutover"),
        ("approve_cutover", "final_stop_and_comparison.stop_info_mart_server"),
        ("final_stop_and_comparison.wait_for_final_catch_up", "final_stop_and_comparison.compare_tables"),
        ("final_stop_and_comparison.compare_tables", "switch_direction.stop_replication_to_target"),
        ("switch_direction.start_replicat_after_csn", "start_at_target.start_info_mart_server_at_target"),
        ("start_at_target.prove_source_stopped", "start_at_target.start_info_mart_server_at_target"),
        ("start_at_target.refuse_lost_sites", "start_at_target.start_info_mart_server_at_target"),
        ("start_at_target.start_info_mart_server_at_target", "start_at_target.admit_all_at_source"),
        ("re_aggregate.request_reaggregation", "release_idb_purge_hold"),
        ("release_idb_purge_hold", "return_service_to_source"),
        ("return_service_to_source", "release_lock"),
    ],
)
def test_the_order_that_loses_nothing(bag: DagBag, first: str, second: str) -> None:
    assert before(bag, first, second)


#: Procedures whose target is a standby that is opened, with the step that starts its server.
OPENING = {
    "infomart_failover": "start_at_survivor.start_info_mart_server",
    "infomart_switchover": "start_at_target.start_info_mart_server_at_target",
    "infomart_cutover": "start_at_target.start_info_mart_server_at_target",
    "infomart_return_to_normal": "start_at_target.start_info_mart_server_at_target",
}


@pytest.mark.parametrize("dag_id", OPENING)
def test_a_standby_that_is_opened_is_migrated_and_gets_partitions_before_it_loads(bag: DagBag, dag_id: str) -> None:
    """Whichever procedure opens it, with the same steps: its excluded tables are as old as its copy (guide:994)."""
    dag, start = bag.dags[dag_id], OPENING[dag_id]
    group = start.partition(".")[0]
    order = ["check_migration_state", "run_migration_job", "run_maintenance_job", "set_scheduler", "prove_loading"]
    steps = [start, *(f"{group}.{name}" for name in order)]
    for first, second in itertools.pairwise(steps):
        assert before(bag, first, second, dag_id), f"{first} -> {second}"
    log = next(task.task_id for task in dag.tasks if task.task_id.endswith("check_server_log"))
    assert before(bag, f"{group}.prove_loading", log, dag_id), "a transformation that fails is in the log by then"
    assert {dag.get_task(step).role for step in steps} == {"target"}
    failover = bag.dags["infomart_failover"]
    assert [type(dag.get_task(f"{group}.{name}")) for name in order] == [
        type(failover.get_task(f"start_at_survivor.{name}")) for name in order
    ]


@pytest.mark.parametrize("dag_id", OPENING)
def test_the_reports_move_with_the_info_mart_and_nothing_waits_for_them(bag: DagBag, dag_id: str) -> None:
    task = bag.dags[dag_id].get_task("bring_reports_into_service")
    assert type(task).__name__ == "BringReportsIntoService" and task.role == "target"
    assert before(bag, OPENING[dag_id], task.task_id, dag_id)
    assert all(below.is_teardown for below in task.downstream_list)


#: The first step of a procedure that stops a server, a group or a standby.
FIRST_STOP = {
    "infomart_return_to_normal": ("capture_at_source.remove_old_replication", "export_database.hold_scheduler"),
    "infomart_database_transfer": ("capture_at_source.remove_old_replication", "export_database.hold_scheduler"),
    "infomart_setup_replication": ("capture_at_source.remove_old_replication", "export_database.hold_scheduler"),
    "infomart_return_to_normal_active_active": ("export_database.hold_scheduler",),
    "infomart_cutover": ("approve_cutover", "final_stop_and_comparison.hold_scheduler"),
    "infomart_switchover": ("check_replication.remove_old_replication", "final_stop_and_comparison.hold_scheduler"),
}


@pytest.mark.parametrize("dag_id", FIRST_STOP)
def test_prerequisites_are_the_first_chapter(bag: DagBag, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    check = next(task for task in dag.tasks if task.task_id.rpartition(".")[2] == "check_prerequisites")
    earlier = {task.task_id for task in check.get_flat_relatives(upstream=True)}
    assert earlier <= {"take_lock", "check_already_done"}
    for stop in FIRST_STOP[dag_id]:
        assert before(bag, check.task_id, stop, dag_id)


def test_a_return_to_normal_checks_the_new_site_again_before_the_gate_of_its_cutover(bag: DagBag) -> None:
    check = bag.dags["infomart_return_to_normal"].get_task("check_prerequisites_of_cutover")
    assert check.standby and not check.copies
    assert before(bag, "deploy_new_site.deploy_info_mart_server", check.task_id)
    assert before(bag, check.task_id, "approve_cutover")
    first = bag.dags["infomart_return_to_normal"].get_task("check_prerequisites")
    assert first.copies and not first.standby, "people deploy the new site during the run"


def test_a_failover_shows_what_the_survivor_lacks_and_waits_for_nothing_but_the_answer(bag: DagBag) -> None:
    assert before(bag, "gather_evidence.check_survivor", "confirm_site_failure", "infomart_failover")
    beside = bag.dags["infomart_failover"].get_task("gather_evidence.check_survivor")
    assert beside.upstream_task_ids == {"check_already_done"}


@pytest.mark.parametrize("dag_id", PROCEDURES)
def test_the_lock_is_taken_first_and_given_back_by_a_teardown(bag: DagBag, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    assert [task.task_id for task in dag.roots] == ["take_lock"]
    assert dag.get_task("release_lock").is_teardown
    for task in dag.tasks:
        if task.task_id not in ("take_lock", "release_lock") and not task.is_teardown:
            assert before(bag, task.task_id, "release_lock", dag_id), task.task_id


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("gather_evidence.probe_from_airflow", "confirm_site_failure"),
        ("gather_evidence.probe_from_survivor", "confirm_site_failure"),
        ("gather_evidence.estimate_loss", "confirm_site_failure"),
        ("confirm_site_failure", "drain_standby.stop_goldengate"),
        ("confirm_site_failure", "configure_survivor.drop_failed_sources"),
        ("drain_standby.wait_for_trail_end", "drain_standby.stop_goldengate"),
        ("drain_standby.stop_goldengate", "start_at_survivor.start_info_mart_server"),
        ("drain_standby.raise_sequences", "start_at_survivor.start_info_mart_server"),
        ("configure_survivor.hold_scheduler", "start_at_survivor.start_info_mart_server"),
        ("configure_survivor.disable_aggregation", "start_at_survivor.start_info_mart_server"),
        ("start_at_survivor.run_migration_job", "start_at_survivor.run_maintenance_job"),
        ("start_at_survivor.run_maintenance_job", "start_at_survivor.set_scheduler"),
        ("start_at_survivor.set_scheduler", "re_aggregate.request_reaggregation"),
        ("start_at_survivor.set_scheduler", "start_at_survivor.refuse_lost_site"),
        ("return_standby", "release_lock"),
    ],
)
def test_the_order_of_a_failover(bag: DagBag, first: str, second: str) -> None:
    assert before(bag, first, second, "infomart_failover")


def test_the_drain_and_the_configuration_of_a_failover_do_not_wait_for_each_other(bag: DagBag) -> None:
    for first, second in (
        ("drain_standby.stop_goldengate", "configure_survivor.disable_aggregation"),
        ("configure_survivor.drop_failed_sources", "drain_standby.wait_for_trail_end"),
    ):
        assert not before(bag, first, second, "infomart_failover")
        assert not before(bag, second, first, "infomart_failover")


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_step_that_may_follow_a_skipped_one_is_not_skipped_with_it(bag: DagBag, dag_id: str) -> None:
    """A step after one of a single option, architecture or feature runs by none_failed, or is skipped with it."""
    dag = bag.dags[dag_id]
    for task in dag.tasks:
        if not getattr(task, "may_be_skipped", False):
            continue
        for below in task.downstream_list:
            if below.is_teardown or below.trigger_rule == "none_failed":
                continue
            together = [(getattr(each, "option", ""), getattr(each, "architecture", "")) for each in (task, below)]
            assert together[0] == together[1] != ("", ""), f"{task.task_id} -> {below.task_id}"


def test_an_empty_second_info_mart_skips_every_step_of_the_copy(bag: DagBag) -> None:
    from infomart_dr.runbook.active_active import COPY

    groups = ("export_database.", "transfer_dump_set.", "import_database.")
    steps = [t for t in bag.dags["infomart_return_to_normal_active_active"].tasks if t.task_id.startswith(groups)]
    assert len(steps) > 15
    assert {step.option for step in steps} == {COPY}


def test_aggregation_is_switched_on_by_a_teardown(bag: DagBag) -> None:
    for dag_id in ("infomart_return_to_normal", "infomart_cutover", "infomart_reaggregate"):
        assert bag.dags[dag_id].get_task("re_aggregate.enable_aggregation").is_teardown


@pytest.mark.parametrize(
    ("dag_id", "option", "default"),
    [
        ("infomart_purge_guard", "PURGE_GUARD_SCHEDULE", "*/5 * * * *"),
        ("infomart_readiness", "READINESS_SCHEDULE", "@daily"),
        ("infomart_watch", "WATCH_SCHEDULE", "*/5 * * * *"),
    ],
)
def test_a_schedule_is_configuration(monkeypatch: pytest.MonkeyPatch, dag_id: str, option: str, default: str) -> None:
    def schedule() -> str | None:
        return DagBag(str(ROOT / "dags" / f"{dag_id}.py")).dags[dag_id].schedule

    assert schedule() == default
    for value, wanted in (("0 5 * * 1", "0 5 * * 1"), ("none", None), ("", None)):
        monkeypatch.setenv(f"AIRFLOW__INFOMART_DR__{option}", value)
        assert schedule() == wanted


def test_parsing_opens_no_connection_and_reads_no_topology(tmp_path: Path) -> None:
    """The folder is parsed in a process where sockets and the topology are poisoned."""
    script = (
        "import socket, os, sys\n"
        "import airflow.sdk\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "def no(*a, **k): raise RuntimeError('a connection at parse time')\n"
        "socket.socket.connect = no\n"
        "socket.create_connection = no\n"
        "import infomart_dr.topology as t\n"
        "t.load = no\n"
        f"b = DagBag({str(ROOT / 'dags')!r})\n"
        "assert not b.import_errors, b.import_errors\n"
        "heavy = [m for m in ('oracledb', 'paramiko', 'httpx') if m in sys.modules and m != 'httpx']\n"
        "assert not heavy, heavy\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "plugins")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


class Instance:
    """A task instance with its state at the end of a run."""

    def __init__(self, task_id: str, state: str) -> None:
        self.task_id, self.state = task_id, state


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_run_is_failed_whichever_step_failed_although_the_teardowns_succeed(bag: DagBag, dag_id: str) -> None:
    """Airflow chooses the tasks that decide: a teardown that may fail the run hides the tasks before it."""
    dag = bag.dags[dag_id]
    for task in dag.tasks:
        if task.is_teardown and task.task_id in BACK_OUTS:
            continue
        below = {t.task_id for t in task.get_flat_relatives(upstream=False) if not t.is_teardown}
        states = {t.task_id: "upstream_failed" if t.task_id in below else "success" for t in dag.tasks}
        states[task.task_id] = "failed"
        tis = [Instance(task_id, state) for task_id, state in states.items()]
        decide = DagRun._tis_for_dagrun_state(None, dag=dag, tis=tis)  # type: ignore[arg-type]
        assert {"failed", "upstream_failed"} & {ti.state for ti in decide}, task.task_id


@pytest.mark.parametrize("dag_id", PROCEDURES)
def test_every_teardown_of_a_group_runs_under_the_lock(bag: DagBag, dag_id: str) -> None:
    for task in bag.dags[dag_id].tasks:
        if task.is_teardown and task.task_id != "release_lock":
            assert before(bag, task.task_id, "release_lock", dag_id), task.task_id
