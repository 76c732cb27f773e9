"""One lab, procedure after procedure, each step with a cell of its own; every run is judged and noted.

``python -m tests.faults --seed 1 --plays 4`` adds to the results; :func:`circle` is what the tests play.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from infomart_dr.plan import facts
from infomart_dr.plan.step import Step
from infomart_lab import config as lab_config
from infomart_lab import lca, supervisor, topology
from infomart_lab.config import LabConfig
from tests.faults import cells as matrix
from tests.faults import judge
from tests.faults.cells import Cell
from tests.faults.moments import Moments
from tests.faults.trial import Record, Trial, forget, runs_again

#: Runs of one plan until it is given up.
_MOST_RUNS = 8


@dataclass
class Played:
    """A procedure that was played to its end."""

    procedure: str
    records: dict[str, Record]
    runs: int
    seconds: float
    audit: dict[str, Any] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    two_servers: int = 0
    secrets: list[str] = field(default_factory=list)
    #: Why the plan did not come to its end; empty: it did.
    stuck: str = ""

    @property
    def wrong(self) -> list[str]:
        """What does not hold, of the whole plan."""
        found = [f"left behind: {each}" for each in self.orphans]
        found += [f"secret in {each}" for each in self.secrets]
        if self.two_servers:
            found.append("two Info Mart Servers ran at the same time")
        if self.stuck:
            found.append(f"the plan does not go on: {self.stuck}")
        return found + [text for text in self.audit.get("wrong", [])]


@dataclass
class State:
    """Where a lab stands between two procedures; kept in a file beside the lab, so that another process goes on.

    :param file: the file; None: it is not kept.
    :param next: the procedure to play next.
    :param lost: calls that failovers have lost.
    :param number: procedures that were played.
    """

    file: Path | None = None
    next: str = "setup"
    active: str = "site1"
    standby: str = "site2"
    lost: int = 0
    number: int = 0

    @classmethod
    def read(cls, file: Path) -> State:
        """The state that was kept, else that of a new lab."""
        return cls(file, **json.loads(file.read_text())) if file.exists() else cls(file)

    def save(self) -> None:
        """Keep it."""
        if self.file is not None:
            self.file.write_text(json.dumps({k: v for k, v in asdict(self).items() if k != "file"}))


class Campaign:
    """A lab and what has been tried in it.

    :param seed: chooses the cells and every moment.
    :param most: cells in one procedure.
    :param keep: add to the results.
    """

    def __init__(
        self,
        lab: LabConfig,
        seed: int,
        *,
        most: int = 1000,
        log: Any = print,
        state: State | None = None,
        keep: bool = False,
    ) -> None:
        self.lab, self.seed, self.most, self.log, self.keep = lab, seed, most, log, keep
        self.state = state or State()
        self.moments = Moments()
        self.chance = random.Random(f"{seed} {self.state.number}")
        self.played: list[Played] = []

    # -- one procedure -------------------------------------------------------------------------------

    def play(
        self,
        procedure: str,
        source: str,
        target: str,
        params: Mapping[str, Any],
        *,
        serves: str,
        lost_site: str = "",
        chosen: dict[str, Cell] | None = None,
    ) -> Played:
        """Play a procedure with one cell a step, to its end; then judge it.

        :param serves: the site that serves at the end.
        :param lost_site: the site that is lost, of a failover.
        :param chosen: the cells; None: chosen by the seed.
        """
        self.state.number += 1
        plan = f"{procedure.removeprefix('infomart_')}-{self.seed}-{self.state.number}"
        if chosen is None:
            tried = [matrix.cell_of(each) for each in matrix.results()]
            chosen = matrix.choose(procedure, tried, self.seed * 1000 + self.state.number, most=self.most)
        records: dict[str, Record] = {}
        cells = dict(chosen)
        watcher = judge.Watcher(self.lab)
        watcher.start()
        began = time.monotonic()
        played = Played(procedure, records, 0, 0)
        texts: list[str] = []
        try:
            self._to_its_end(played, plan, procedure, source, target, params, cells, texts)
        finally:
            watcher.stop()
        played.seconds = round(time.monotonic() - began, 1)
        played.two_servers = len(watcher.two_servers)
        played.secrets = sorted(watcher.secrets) + judge.shown_secrets(self.lab, texts)
        if not played.stuck:
            self._judge(played, serves, target if serves == source else source, lost_site)
        self._note(played)
        self.played.append(played)
        return played

    def _to_its_end(
        self,
        played: Played,
        plan: str,
        procedure: str,
        source: str,
        target: str,
        params: Mapping[str, Any],
        cells: dict[str, Cell],
        texts: list[str],
    ) -> None:
        run_id, before = plan, None
        how = "first"
        while True:
            played.runs += 1
            trial = Trial(
                procedure,
                lab=self.lab,
                moments=self.moments,
                cells=cells,
                records=played.records,
                roles={source: "source", target: "target"},
                chance=self.chance,
                plan=run_id,
                params=dict(params) | ({"plan": plan} if run_id != plan else {}),
                marked=() if before is None else self._kept(before),
            )
            if before is not None:
                trial.results.update({task: before.results[task] for task in trial.marked if task in before.results})
                trial.skipped.update({task: before.skipped[task] for task in trial.marked if task in before.skipped})
            failure: Exception | None = None
            with self.moments.watching():
                try:
                    trial.run()
                except Exception as error:
                    failure = error
                trial.finish()
            forget(procedure, run_id)
            if trial.not_cured:
                raise RuntimeError(f"The lab could not end a fault: {'; '.join(trial.not_cured)}")
            if played.runs == 1 and self.keep:
                matrix.note_steps(procedure, trial.profiles)
            texts += trial.texts
            texts += [line for each in trial.logs.values() for line in each.lines]
            texts += [repr(result) for result in trial.results.values()]
            self._stopped(played, trial, failure, how)
            if failure is None:
                return
            if played.runs >= _MOST_RUNS:
                played.stuck = f"after {played.runs} runs: {failure}"[:400]
                return
            # A failed back-out is tried again by Airflow for a quarter of an hour; here it is cleared.
            if "locked by" in str(failure):
                how, before = "clear", None
            else:
                how = self.chance.choice(["clear", "new run"])
                before = trial if how == "clear" and getattr(failure, "clear", "") else None
            if how == "new run":
                run_id = f"{plan}-{played.runs + 1}"
            else:
                runs_again(procedure, run_id)

    def _kept(self, before: Trial) -> set[str]:
        """Tasks that a clear of the failed task, with Downstream, leaves as they are."""
        first = self._first
        dag = before.dag
        task = dag.get_task(first) if first and dag.has_task(first) else dag.get_task(before.failed)
        cleared = {task.task_id} | set(task.get_flat_relative_ids(upstream=False))
        return {
            each.task_id
            for each in dag.tasks
            if each.task_id not in cleared
            and not each.is_setup
            and not each.is_teardown
            and each.task_id in before.results
        }

    _first = ""

    def _stopped(self, played: Played, trial: Trial, failure: Exception | None, how: str) -> None:
        """Note how each cell came to its end in this run, and what state a failure has left."""
        self._first = str(getattr(failure, "clear", "") or trial.failed)
        for record in played.records.values():
            if record.outcome.startswith("stops;") and record.cell.step in trial.results and how != "first":
                record.outcome = record.outcome.replace("stops", f"stops, and goes on by a {how}", 1)
                record.ended = record.ended or time.time()
        if failure is None:
            return
        state = self._service(trial)
        if started := judge.start_abended(self.lab):
            # What the message asks a person for.
            state += f", a person started {', '.join(started)}"
        self.log(f"  {trial.context['dag_run'].run_id} stopped at {trial.failed}: {str(failure)[:300]} | {state}")
        for record in played.records.values():
            if record.fired and not record.outcome:
                record.outcome = f"stops; {state}"
                if state.startswith("NOT"):
                    record.wrong.append(f"after the failure: {state}")

    def _service(self, trial: Trial) -> str:
        """Whether the service is where it must be after a failure."""
        with Step.from_context(trial.context) as step:
            try:
                past = step.ledger.has(facts.POINT_OF_NO_RETURN)
                holder = step.lock.holder()
            except Exception as error:
                return f"NOT known: {type(error).__name__}"
        source, target = (next(n for n, r in trial.roles.items() if r == role) for role in ("source", "target"))
        words = judge.service(self.lab)
        lock = "lock free" if holder is None else f"lock held by {holder.owner}"
        if past:
            return f"past the point of no return, server at the target {words[target]}, {lock}"
        if trial.dag.dag_id == "infomart_failover":
            return f"{'NOT a standby' if words[target] == lca.RUNNING else 'the survivor is a standby'}, {lock}"
        back = words[source] == lca.RUNNING and words[target] == lca.STOPPED
        return f"the service is at its source, {lock}" if back else f"NOT at its source: {words}, {lock}"

    # -- the verdict ---------------------------------------------------------------------------------

    def _judge(self, played: Played, serving: str, other: str, lost_site: str) -> None:
        rate = lab_config.load(self.lab.home).rate
        lost = bool(lost_site)
        words = judge.service(self.lab)
        wrong = []
        if words[serving] != lca.RUNNING:
            wrong.append(f"the server at {serving} is {words[serving]}")
        if words[other] != lca.STOPPED:
            wrong.append(f"the server at {other} is {words[other]}")
        found = judge.audited(self.lab, (serving,) if lost else (serving, other), rate)
        for site, each in found.items():
            if each["duplicated"] or each["extra"]:
                wrong.append(f"{site}: {each['duplicated']} duplicated, {each['extra']} extra")
            if not lost and each["not there"] > self.state.lost:
                wrong.append(f"{site}: {each['not there']} calls not there, {self.state.lost} lost before")
        if lost:
            self.state.lost += max(found[serving]["not there"] - self.state.lost, 0)
        elif len({each["not there"] for each in found.values()}) == 1:
            self.state.lost = found[serving]["not there"]
        played.audit = {"sites": found, "wrong": wrong}
        played.orphans = judge.orphans(self.lab, serving, other, lost=lost)

    def _note(self, played: Played) -> None:
        lines = []
        for record in played.records.values():
            if not record.fired:
                continue
            wrong = record.wrong + played.wrong
            lines.append(
                {
                    **matrix.fields(record.cell),
                    "seed": self.seed,
                    "outcome": record.outcome or "the plan was given up",
                    "seconds": round((record.ended or time.time()) - record.fired, 1),
                    "tries": record.tries,
                    "errors": record.errors[:4],
                    "paused": record.paused,
                    "holds": not wrong,
                    "wrong": wrong,
                }
            )
        if self.keep:
            matrix.note(lines)
        self.log(
            f"{played.procedure}: {len(lines)} cells, {played.runs} runs, {played.seconds} s, "
            f"audit {played.audit.get('sites')}, wrong {played.wrong}"
        )
        for line in lines:
            self.log(
                f"  {'ok ' if line['holds'] else 'BAD'} {line['step']} | {line['moment']} | {line['fault']}"
                f" {line['at']} -> {line['outcome']} ({line['seconds']} s) {line['paused']}"
                f" {[e[:2] for e in line['errors'][:2]]}"
            )

    # -- a life of a pair ----------------------------------------------------------------------------

    def set_roles(self, **roles: str) -> None:
        """Roles in the topology file."""
        lab_config.change(self.lab.home, lambda stored: stored.roles.update(roles))  # type: ignore[arg-type]
        topology.write(lab_config.load(self.lab.home))

    def set_up(self, **more: Any) -> Played:
        """From nothing: site1 serves, site2 follows."""
        return self.play("infomart_setup_replication", "site1", "site2", {}, serves="site1", **more)

    def switch(self, source: str, target: str, **more: Any) -> Played:
        """A switchover."""
        params = {"source": source, "target": target}
        return self.play("infomart_switchover", source, target, params, serves=target, **more)

    def fail_over(self, lost: str, survivor: str, **more: Any) -> Played:
        """A site is lost, and the survivor takes over; then the site comes back, still without a server."""
        supervisor.request(self.lab, "fail", site=lost)
        params = {"failed_site": lost, "survivor": survivor}
        played = self.play("infomart_failover", lost, survivor, params, serves=survivor, lost_site=lost, **more)
        supervisor.request(self.lab, "heal", site=lost)
        return played

    def bring_back(self, source: str, target: str, **more: Any) -> Played:
        """A lost site becomes the standby again."""
        self.set_roles(**{target: "new", source: "active"})
        params = {"source": source, "target": target, "option": "source stays active"}
        played = self.play("infomart_return_to_normal", source, target, params, serves=source, **more)
        self.set_roles(**{target: "standby", source: "active"})
        return played


def circle(campaign: Campaign, plays: int, only: frozenset[str] = frozenset()) -> None:
    """Set up, over, and over again; lose a site, bring it back: each procedure in turn, until a plan does not go on.

    :param plays: number of procedures.
    :param only: the short names of the procedures that get cells; empty: all.
    """
    state = campaign.state

    def more(procedure: str) -> dict[str, Any]:
        return {} if not only or procedure in only else {"chosen": {}}

    for _ in range(plays):
        active, standby = state.active, state.standby
        if state.next == "setup":
            played = campaign.set_up(**more("setup"))
            state.next = "switchover"
        elif state.next == "switchover":
            played = campaign.switch(active, standby, **more("switchover"))
            state.active, state.standby, state.next = standby, active, "failover"
        elif state.next == "failover":
            played = campaign.fail_over(active, standby, **more("failover"))
            state.active, state.standby, state.next = standby, active, "return"
        else:
            played = campaign.bring_back(active, standby, **more("return"))
            state.next = "switchover"
        if played.stuck:
            state.next = "nothing"
        state.save()
        if played.stuck:
            return
