"""Procedures end to end, under load, and the audit that judges them.

``make demo`` runs this. It starts a fresh lab and a real Airflow, plays a scenario (:mod:`infomart_lab.scenarios`)
through the REST API, answers the gates, lets calls go on, and audits the sites.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from infomart_lab import config as lab_config
from infomart_lab import supervisor, topology
from infomart_lab.airflow_api import Airflow, AirflowError
from infomart_lab.audit import AuditResult, audit
from infomart_lab.icon import get_load, set_load
from infomart_lab.scenarios import SCENARIOS, Scenario

DAG = "infomart_return_to_normal"
#: Seconds for which calls go on under forward replication before they end.
AFTERWARDS = 15.0
#: Seconds until a gate is answered.
GATE_SECONDS = 6.0
#: Seconds that both audits may wait for calls under way.
SETTLE = 180.0
_DONE = ("success", "failed", "skipped", "upstream_failed", "removed")

console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())


class DemoError(RuntimeError):
    """The demo cannot go on; the message says why."""


def start_lab(config: lab_config.LabConfig, airflow_port: int) -> None:
    """Start lab and Airflow; both end with this process."""
    guardian = supervisor.launch(config, airflow_port=airflow_port, owner_pid=os.getpid())
    deadline = time.monotonic() + 300
    state = ""
    with console.status("starting the lab and Airflow") as status:
        while True:
            if guardian.poll() is not None:
                raise DemoError(f"the lab ended with {guardian.returncode}; see {config.log_dir}/supervisor.log")
            try:
                answer = supervisor.request(config, "status", timeout=10)
                state = answer.get("state", "")
                if state == "up":
                    return
                if answer.get("error") or state in ("failed", "down"):
                    raise DemoError(f"the lab did not start: {answer.get('error') or state}; see {config.log_dir}")
                status.update(f"starting the lab and Airflow: {_starting(answer)}")
            except supervisor.LabError:
                pass
            if time.monotonic() > deadline:
                raise DemoError(f"the lab is {state or 'silent'} after 300 s; see {config.log_dir}")
            time.sleep(0.5)


def _starting(answer: dict[str, Any]) -> str:
    """The parts that are not ready yet."""
    groups = [("", answer), *(answer.get("sites") or {}).items()]
    names = [
        f"{site} {name}".strip()
        for site, details in groups
        for name, part in (details.get("parts") or {}).items()
        if part.get("state") in ("starting", "waiting")
    ]
    return ", ".join(names[:6])


# -- watching --------------------------------------------------------------------------------------


class Run:
    """A run of the DAG, its steps and what they returned."""

    #: Answer to every gate.
    decision = "Approve"

    def __init__(self, airflow: Airflow, run_id: str, dag_id: str = DAG) -> None:
        self.airflow, self.run_id, self.dag_id = airflow, run_id, dag_id
        self.tasks: list[dict[str, Any]] = []
        self.results: dict[str, dict[str, Any]] = {}
        self.state = "queued"
        self.approved: list[str] = []
        self._asked: dict[str, float] = {}

    def look(self) -> None:
        """Read the run's state, the steps and the results of those that have ended; answer gates."""
        self.state = self.airflow.run(self.dag_id, self.run_id)["state"]
        tasks = self.airflow.tasks(self.dag_id, self.run_id)
        self.tasks = sorted(tasks, key=lambda task: (task["start_date"] is None, task["start_date"] or ""))
        for task in self.tasks:
            name = task["task_id"]
            if task["state"] == "success" and name not in self.results:
                self.results[name] = self.airflow.result(self.dag_id, self.run_id, name)
        for gate in self.airflow.gates(self.dag_id, self.run_id):
            self._answer(gate["task_instance"]["task_id"], gate["options"])

    def _answer(self, name: str, options: list[str]) -> None:
        """Answer a gate that has waited for some seconds: no person is faster, and the scheduler needs them."""
        since = self._asked.setdefault(name, time.monotonic())
        if time.monotonic() - since > GATE_SECONDS:
            # A human step has options of its own; the first says that it is done.
            decision = self.decision if self.decision in options else options[0]
            self.airflow.answer(self.dag_id, self.run_id, name, decision)
            self.approved.append(name)
            del self._asked[name]

    def wait(self, show: Any, seconds: float = 3600) -> None:
        """Watch until the run has ended."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.look()
            except (httpx.HTTPError, AirflowError) as error:
                console.log(f"Airflow: {error}")
            show()
            if self.state in ("success", "failed"):
                return
            if time.monotonic() > deadline:
                raise DemoError(f"the run is {self.state} after {seconds:g} s")
            time.sleep(1)

    def task(self, suffix: str) -> dict[str, Any] | None:
        """A step by the end of its id."""
        return next((task for task in self.tasks if task["task_id"].endswith(suffix)), None)

    def fact(self, suffix: str, name: str) -> Any:
        """What a step returned under a name."""
        for task, result in self.results.items():
            if task.endswith(suffix):
                return result.get(name)
        return None

    def steps(self) -> list[dict[str, Any]]:
        """The steps for the report."""
        return [
            {
                "dag": self.dag_id,
                "task": task["task_id"],
                "state": task["state"],
                "started": task["start_date"],
                "seconds": round(task["duration"] or 0, 2),
                "command_seconds": self.results.get(task["task_id"], {}).get("command_seconds"),
                "tries": task["try_number"],
            }
            for task in self.tasks
            if task["start_date"]
        ]

    def failures(self) -> str:
        """Steps that failed, with the end of their logs."""
        lines = []
        for task in self.tasks:
            if task["state"] == "failed":
                log = self.airflow.log(self.dag_id, self.run_id, task["task_id"], task["try_number"])
                lines.append(f"{task['task_id']} failed:\n" + "\n".join(log.splitlines()[-25:]))
        return "\n\n".join(lines)


def critical_path(run: Run, last: str) -> list[str]:
    """The critical path to a step: from each step back to the one before it that ended last.

    :param last: end of the id of the path's last step.
    """
    below = {task["task_id"]: task["downstream_task_ids"] for task in run.airflow.definitions(run.dag_id)}
    ended = {task["task_id"]: task["end_date"] for task in run.tasks if task["end_date"]}
    at = next((name for name in ended if name.endswith(last)), None)
    path: list[str] = []
    while at is not None:
        path.append(at)
        before = [name for name, following in below.items() if at in following and name in ended]
        at = max(before, key=lambda name: ended[name], default=None)
    return path[::-1]


_MARKS = {"success": "[green]done[/]", "failed": "[red]failed[/]", "running": "[yellow]runs[/]"}
_WAITING = {"deferred": "[cyan]waits[/]", "awaiting_input": "[magenta]gate[/]", "up_for_retry": "[yellow]again[/]"}


def picture(run: Run, config: lab_config.LabConfig, rows: int = 22) -> Group:
    """The newest steps and the figures that matter."""
    table = Table(box=None, padding=(0, 1), show_header=True, header_style="bold")
    for name in ("step", "state", "seconds", "summary"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", justify="right" if name == "seconds" else "left")
    begun = [task for task in run.tasks if task["start_date"]]
    for task in begun[-rows:]:
        state = task["state"] or "queued"
        what = run.results.get(task["task_id"], {}).get("summary", "")
        if task["task_id"] in run.approved:
            what = "approved through the REST API"
        table.add_row(
            task["task_id"],
            Text.from_markup(_MARKS.get(state) or _WAITING.get(state) or state),
            f"{task['duration'] or 0:.1f}",
            what,
        )
    figures = {
        "SCN": run.fact("capture_scn", "scn"),
        "rows": run.fact("write_manifest", "rows"),
        "bytes": run.fact("write_manifest", "bytes"),
        "lag s": run.fact("wait_for_catch_up", "lag_seconds"),
        "calls/s": get_load(config),
    }
    shown = "  ".join(f"{name} [bold]{value}[/]" for name, value in figures.items() if value is not None)
    done = sum(1 for task in run.tasks if task["state"] in _DONE)
    head = f"[bold]{run.run_id}[/]  {run.state}  {done} of {len(run.tasks)} steps  {shown}"
    return Group(Text.from_markup(head), table)


# -- report ----------------------------------------------------------------------------------------


def _moment(text: str | None) -> float | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None


def pause(run: Run, stop: str, start: str) -> float | None:
    """Seconds without an Info Mart Server: from the end of one step to the end of another."""
    begin, end = run.task(stop), run.task(start)
    if begin is None or end is None:
        return None
    first, last = _moment(begin["end_date"]), _moment(end["end_date"])
    return round(last - first, 1) if first and last else None


def report(run: Run, scenario: str, audits: dict[str, AuditResult]) -> dict[str, Any]:
    """The report of one run; ``audit`` has the shape of ``audit --json``."""
    return {
        "scenario": scenario,
        "run_id": run.run_id,
        "dag": run.dag_id,
        "state": run.state,
        "steps": run.steps(),
        "outage_seconds": pause(run, "final_stop_and_comparison.stop_info_mart_server", "server_at_target"),
        "export_pause_seconds": pause(
            run, "export_database.stop_info_mart_server", "export_database.start_info_mart_server"
        ),
        "scn": run.fact("capture_scn", "scn"),
        "rows": {
            "exported": run.fact("run_expdp", "rows"),
            "imported": run.fact("check_import_log", "rows"),
        },
        "calls_written": next((result.calls_written for result in audits.values()), None),
        "audit": {site: result.model_dump(mode="json") for site, result in audits.items()},
    }


def loss_of(run: Run, failed_at: float) -> dict[str, Any]:
    """The loss that a failover reported, and the seconds until the survivor served."""
    start = run.task("start_at_survivor.start_info_mart_server")
    served = _moment(start["end_date"]) if start and start["state"] == "success" else None
    triggered = _moment(run.airflow.run(run.dag_id, run.run_id)["run_after"])
    gate = run.task("confirm_site_failure")
    told = {
        moment: {"low": run.fact(task, "lost_low"), "high": run.fact(task, "lost_high")}
        for moment, task in (
            ("before", "gather_evidence.estimate_loss"),
            ("drained", "estimate_loss_again"),
            ("end", "report_loss"),
        )
    }
    return {
        "estimates": told,
        "site_lost_to_server_running": round(served - failed_at, 1) if served else None,
        "trigger_to_server_running": round(served - triggered, 1) if served and triggered else None,
        "of_it_gate_seconds": round(gate["duration"] or 0, 1) if gate else None,
        "critical_path": critical_path(run, "start_at_survivor.start_info_mart_server"),
    }


def closing_table(content: dict[str, Any]) -> Table:
    """Result of the scenario."""
    table = Table(title=f"{content['scenario']}: {content['run_id']}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    seconds = sum(step["seconds"] for step in content["steps"])
    outside = sum(step["command_seconds"] or 0 for step in content["steps"])
    rows: list[tuple[str, Any]] = [
        ("steps", len(content["steps"])),
        ("seconds: steps / commands", f"{seconds:.0f} / {outside:.0f}"),
    ]
    if content["export_pause_seconds"] or content["outage_seconds"]:
        pauses = f"{content['export_pause_seconds']} s / {content['outage_seconds']} s"
        rows.append(("without server: export / cutover", pauses))
    if content["scn"]:
        rows += [
            ("SCN", content["scn"]),
            ("rows exported / imported", f"{content['rows']['exported']} / {content['rows']['imported']}"),
        ]
    if loss := content.get("loss"):
        rows.append(("trigger to server running", f"{loss['trigger_to_server_running']} s"))
        rows += [
            (f"lost calls, estimate: {moment}", f"{told['low']} to {told['high']}")
            for moment, told in loss["estimates"].items()
            if told["high"] is not None
        ]
        rows.append(("lost calls, audit", loss["truth"]))
    rows.append(("calls written", content["calls_written"]))
    for name, value in rows:
        table.add_row(name, str(value))
    for site, result in content["audit"].items():
        verdict = f"missing {result['missing']}, duplicated {result['duplicated']}, extra {result['extra']}"
        table.add_row(f"audit {site}", f"{verdict}, pending {result['pending']}")
    return table


# -- the demo --------------------------------------------------------------------------------------


def judge(config: lab_config.LabConfig, sites: tuple[str, ...], seconds: float = SETTLE) -> dict[str, AuditResult]:
    """End the calls, wait until the sites have everything, and audit them."""
    set_load(config, 0)
    deadline = time.monotonic() + seconds
    return {site: audit(config, site, wait=max(deadline - time.monotonic(), 5)) for site in sites}


def judge_loss(config: lab_config.LabConfig, sites: tuple[str, ...], seconds: float = SETTLE) -> dict[str, AuditResult]:
    """As :func:`judge`, where some calls never arrive: wait until nothing changes any more."""
    set_load(config, 0)
    deadline = time.monotonic() + seconds
    before: dict[str, AuditResult] = {}
    while True:
        now = {site: audit(config, site) for site in sites}
        if before and all(not_there(now[site]) == not_there(before[site]) for site in sites):
            return now
        if time.monotonic() > deadline:
            return now
        before = now
        time.sleep(QUIET)


#: Seconds between two audits that must agree.
QUIET = 6.0


def not_there(result: AuditResult) -> int:
    """Calls that a site does not hold."""
    return result.missing + result.pending


def clean(audits: dict[str, AuditResult]) -> bool:
    """Nothing missing, doubled or unknown, and no call pending."""
    return bool(audits) and all(result.clean and result.pending == 0 for result in audits.values())


def within(audits: dict[str, AuditResult], loss: dict[str, Any]) -> bool:
    """Nothing doubled or unknown, every site the same, and the loss lies within each estimate."""
    lost = {not_there(result) for result in audits.values()}
    doubled = any(result.duplicated or result.extra for result in audits.values())
    told = [each for each in loss["estimates"].values() if each["high"] is not None]
    # Where the service moved, an estimate is required; an active-active survivor replicates nothing.
    if not told and loss["trigger_to_server_running"] is not None:
        return False
    return not doubled and len(lost) == 1 and all(each["low"] <= min(lost) <= each["high"] for each in told)


class LabStage:
    """A play's stage: the lab and its Airflow."""

    def __init__(self, config: lab_config.LabConfig, airflow: Airflow) -> None:
        self.config, self.airflow = config, airflow
        self.runs: list[Run] = []
        self.failed_at = 0.0
        self.failover: Run | None = None

    def run(self, dag_id: str, **params: Any) -> None:
        self.airflow.wait_for_dag(dag_id)
        run = Run(self.airflow, f"demo-{int(time.time())}", dag_id)
        self.runs.append(run)
        if dag_id == "infomart_failover":
            self.failover = run
        console.print(f"\n[bold]{dag_id}[/] {params or ''}")
        self.airflow.trigger(dag_id, run.run_id, {"reason": "make demo", **params})
        if console.is_terminal:
            with Live(console=console, refresh_per_second=2) as live:
                run.wait(lambda: live.update(picture(run, self.config)))
        else:
            told: set[tuple[str, str]] = set()
            run.wait(lambda: _tell(run, told))
        if run.state != "success":
            raise DemoError(f"{dag_id} ended as {run.state}\n{run.failures()}")

    def calls(self, seconds: float) -> None:
        console.print(f"calls go on for {seconds:g} s")
        time.sleep(seconds)

    def fail(self, site: str) -> None:
        console.print(f"[red]{site} is lost[/]")
        self.failed_at = time.time()
        supervisor.request(self.config, "fail", site=site)

    def heal(self, site: str) -> None:
        console.print(f"{site} is up again")
        supervisor.request(self.config, "heal", site=site)

    def roles(self, **roles: str) -> None:
        self.config = lab_config.change(self.config.home, lambda stored: stored.roles.update(roles))  # type: ignore[arg-type]
        topology.write(self.config)


def main(
    scenario: Annotated[str, typer.Option(help=f"One of: {', '.join(SCENARIOS)}.")] = "return-to-normal",
    home: Annotated[Path, typer.Option(help="Folder of the lab; an old one is replaced.")] = Path("build/demo/lab"),
    scale: Annotated[int, typer.Option(help="Interactions at the start.")] = 5000,
    rate: Annotated[float, typer.Option(help="Calls a second.")] = 50.0,
    base_port: Annotated[int, typer.Option(help="First port of the lab.")] = 21000,
    airflow_port: Annotated[int, typer.Option(help="Airflow's web interface.")] = 8080,
    report_file: Annotated[Path, typer.Option("--report", help="Where the report goes.")] = Path(
        "build/demo/report.json"
    ),
    afterwards: Annotated[float, typer.Option(help="Seconds of calls after the run.")] = AFTERWARDS,
) -> None:
    """A scenario in the lab, under load, judged by the audit."""
    if scenario not in SCENARIOS:
        console.print(
            f"[red]unknown scenario {scenario!r}[/]; there are {', '.join(SCENARIOS)} (make demo SCENARIO=...)"
        )
        raise typer.Exit(2)
    # A plain kill ends the lab as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    home = home.resolve()
    if (home / "lab.json").exists():
        supervisor.shut_down(lab_config.load(home))
        shutil.rmtree(home)
    chosen = SCENARIOS[scenario]
    config = lab_config.create(home, base_port=base_port, scale=scale, rate=rate, scenario_name=chosen.lab)
    try:
        start_lab(config, airflow_port)
        code = _job(config, airflow_port, report_file, afterwards, scenario, chosen)
    except supervisor.PortsInUseError as error:
        console.print(f"[red]{error}[/]")
        code = 2
    except (DemoError, AirflowError, supervisor.LabError) as error:
        console.print(f"[red]{error}[/]")
        code = 1
    except KeyboardInterrupt:
        console.print("stopped")
        code = 130
    finally:
        supervisor.shut_down(config)
    raise typer.Exit(code)


def _job(
    config: lab_config.LabConfig, airflow_port: int, report_file: Path, afterwards: float, name: str, chosen: Scenario
) -> int:
    with Airflow(config, airflow_port) as airflow:
        airflow.login()
        airflow.wait_for_dag(DAG)
        console.print(f"Airflow: {airflow.base} (user and password: {config.home}/airflow)")
        stage = LabStage(config, airflow)
        problem = ""
        try:
            chosen.play(stage)
            stage.calls(afterwards)
        except DemoError as error:
            problem = str(error)
        audits = (judge_loss if chosen.loses else judge)(config, chosen.audited)
        content = report(stage.runs[-1], name, audits)
        content["steps"] = [step for run in stage.runs for step in run.steps()]
        content["runs"] = [{"dag": run.dag_id, "run_id": run.run_id, "state": run.state} for run in stage.runs]
        if stage.failover is not None and not problem:
            content["loss"] = loss_of(stage.failover, stage.failed_at)
            content["loss"]["truth"] = max(not_there(result) for result in audits.values())
        report_file.parent.mkdir(parents=True, exist_ok=True)
        report_file.write_text(json.dumps(content, indent=1) + "\n")
        if problem:
            console.print(problem, markup=False)
        console.print(closing_table(content))
        console.print(f"report: {report_file}")
        good = not problem and (within(audits, content["loss"]) if chosen.loses else clean(audits))
        return 0 if good else 1


def _tell(run: Run, told: set[tuple[str, str]]) -> None:
    """Print one line for each change of state, for logs."""
    for task in run.tasks:
        state = task["state"]
        key = (task["task_id"], state or "")
        if state in ("success", "failed", "up_for_retry", "deferred", "awaiting_input") and key not in told:
            told.add(key)
            what = run.results.get(task["task_id"], {}).get("summary", "")
            line = f"{task['task_id']}: {state}"
            console.print(f"{line} ({task['duration'] or 0:.1f} s) {what}", markup=False)


if __name__ == "__main__":
    application = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    application.command()(main)
    application()
