"""A run of a procedure in which each step may have a fault of its own: retried, cured, cleared or continued."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow.sdk.module_loading import import_string

from infomart_dr.errors import InfoMartError, OvertakenError, TransientError
from infomart_lab.config import LabConfig
from tests.faults import catalogue
from tests.faults.catalogue import BY_NAME, CUT, KILLED, MARKED, PAUSED, REJECTED, TIMED_OUT
from tests.faults.cells import Cell
from tests.faults.moments import AFTER_SUCCESS, ASKED, REPLY_LOST, UNSENT, Call, Died, Moments, Shot
from tests.system.driver import Procedure, Try

#: Seconds for which a step is tried again. Airflow's own delays are longer: 15 s and more, for about 16 minutes.
PATIENCE = 100.0
#: Seconds until a cure is done, for a step that has stopped.
_CURED = 60.0


class MarkedFailed(Exception):
    """A person has marked the run as failed: its task ends, and its teardowns run."""


class _Marked(Died):
    """The task's process ends because its run was marked."""


@dataclass
class Record:
    """What happened to a cell."""

    cell: Cell
    fired: float = 0.0
    ended: float = 0.0
    tries: int = 0
    errors: list[tuple[str, str, str]] = field(default_factory=list)
    #: How the step came to its end.
    outcome: str = ""
    #: The answer that a paused try got when it went on.
    paused: str = ""
    wrong: list[str] = field(default_factory=list)


class Zombie:
    """A try that is paused at its moment, and let go when its task has long been tried again."""

    def __init__(self, moments: Moments, work: Callable[[], Any]) -> None:
        self._moments, self._work = moments, work
        self._there, self._go = threading.Event(), threading.Event()
        self.ended = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def pause(self, call: Call | None) -> None:
        """Stand still until it is let go."""
        self._moments.outside |= {threading.get_ident(), self.thread.ident or 0}
        self._there.set()
        self._go.wait(1800)

    def _run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:
            self.error = error
        finally:
            self.ended.set()

    def begin(self) -> bool:
        """Begin; True when it stands at its moment, False when it has ended without coming there."""
        self.thread.start()
        while not self._there.is_set():
            if self.ended.wait(0.02):
                return False
        return True

    def go_on(self) -> str:
        """Let it go; what became of it."""
        self._go.set()
        self.thread.join(150)
        if self.thread.is_alive():
            return "still runs after 150 s"
        if isinstance(self.error, OvertakenError):
            return "refused: overtaken"
        if self.error is not None:
            return f"stopped: {type(self.error).__name__}"
        return "ended, its goal reached"


def plain(text: str) -> str:
    """A message without what differs in each run: paths, ports, times."""
    text = re.sub(r"/tmp/[^\s:'\"]*/", ".../", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "host:port", text)
    return " ".join(text.split())[:300]


class Trial(Procedure):
    """One run of a DAG with cells.

    :param cells: by task; a cell is taken out when it has fired.
    :param records: of all cells of the procedure, also of earlier runs of the same plan.
    :param sites: role of each site.
    """

    def __init__(
        self,
        dag_id: str,
        *,
        lab: LabConfig,
        moments: Moments,
        cells: dict[str, Cell],
        records: dict[str, Record],
        roles: Mapping[str, str],
        chance: random.Random,
        **arguments: Any,
    ) -> None:
        super().__init__(dag_id, **arguments)
        self.lab, self.moments, self.chance = lab, moments, chance
        self.cells, self.records, self.roles = cells, records, dict(roles)
        self.profiles: dict[str, dict[str, Any]] = {}
        self.failed: str = ""
        #: Ends of faults that are under way.
        self._cures: list[tuple[threading.Timer, threading.Event]] = []
        self._zombies: list[tuple[int, Record, Zombie]] = []
        self.texts: list[str] = []
        #: Faults that the lab could not end: nothing can be said of the run.
        self.not_cured: list[str] = []
        self._asks: set[str] = set()
        for task in self.dag.tasks:
            moments.wrap(task)

    # -- one step ------------------------------------------------------------------------------------

    def step(self, task: Any) -> dict[str, Any]:
        task_id = task.task_id
        self._let_go()
        cell = self.cells.get(task_id)
        record = self.records.get(task_id)
        shot = None
        if cell is not None:
            record = self.records.setdefault(task_id, Record(cell))
            shot = self._shot(cell, record)
            # One fault at a time, so that its effect is its own.
            self.cured()
        try:
            answer = self._tried(task, cell, record, shot)
        except BaseException:
            self.failed = task_id
            raise
        if record is not None and record.fired and not record.ended:
            record.ended = time.time()
            record.outcome = record.outcome or ("by itself" if record.tries > 1 or record.errors else "not noticed")
        return answer

    def _tried(self, task: Any, cell: Cell | None, record: Record | None, shot: Shot | None) -> dict[str, Any]:
        began = time.monotonic()
        while True:
            self.moments.begin(shot)
            if record is not None:
                record.tries += 1
            try:
                if shot is not None and not shot.fired and cell is not None and cell.fault == PAUSED:
                    answer = self._paused(task, record, shot)
                    if answer is None:
                        continue
                else:
                    answer = self._once(task)
                self._note_profile(task)
                if shot is not None and not shot.fired and cell is not None and cell.moment == AFTER_SUCCESS:
                    shot.fired, record.fired = True, time.time()  # type: ignore[union-attr]
                    self.cells.pop(task.task_id, None)
                    continue
                return answer
            except _Marked:
                raise MarkedFailed(task.task_id) from None
            except Died:
                continue
            except TransientError as error:
                self._note(record, error)
                if time.monotonic() - began > PATIENCE:
                    raise
                time.sleep(1.0)
            except Exception as error:
                self._note(record, error)
                raise

    def _note_profile(self, task: Any) -> None:
        seen = self.moments.seen
        places = set()
        for place in seen.places:
            for site, role in self.roles.items():
                if f"_{site}" in place:
                    kind = place.replace(f"_{site}", "") if place.startswith("ssh_") else place.partition("_")[0]
                    places.add(f"{kind} {role}")
        profile = {
            "calls": dict(seen.calls),
            "acts": seen.acted,
            "waits": seen.waited,
            "asks": task.task_id in self._asks,
            "places": sorted(places),
        }
        before = self.profiles.get(task.task_id)
        if before is None or not before["acts"]:
            self.profiles[task.task_id] = profile

    def _note(self, record: Record | None, error: BaseException) -> None:
        what = plain(getattr(error, "what", str(error)))
        following = plain(str(getattr(error, "next_step", "")))
        self.texts.append(str(error))
        if record is None or not record.fired:
            return
        told = (type(error).__name__, what, following)
        if told not in record.errors:
            record.errors.append(told)
        if not isinstance(error, InfoMartError):
            if record.cell.fault not in (REJECTED, TIMED_OUT):
                record.wrong.append(f"an error without a type: {type(error).__name__}: {what}")
        elif not following and not isinstance(error, TransientError):
            record.wrong.append(f"an error without a next step: {what}")

    # -- faults --------------------------------------------------------------------------------------

    def _shot(self, cell: Cell, record: Record) -> Shot:
        number = 1
        if cell.moment in (UNSENT, REPLY_LOST):
            profile = self._known(cell)
            number = self.chance.randint(1, max(int(profile), 1))
        early = BY_NAME[cell.fault].begin is not None
        return Shot(cell.moment, lambda call: self._happen(cell, record, call), number, early)

    def _known(self, cell: Cell) -> int:
        from tests.faults.cells import profiles

        return int(profiles().get(cell.procedure, {}).get(cell.step, {}).get("calls", {}).get("act", 1))

    def _happen(self, cell: Cell, record: Record, call: Call | None) -> None:
        record.fired = time.time()
        self.cells.pop(cell.step, None)
        fault = BY_NAME[cell.fault]
        if cell.fault == KILLED:
            raise Died(cell.step)
        if cell.fault == MARKED:
            raise _Marked(cell.step)
        if cell.fault == CUT:
            assert call is not None
            raise call.lost()
        if fault.begin is not None:
            site = next(name for name, role in self.roles.items() if role == cell.at)
            fault.begin(self.lab, site)
            self._cure_later(fault, site)

    def _cure_later(self, fault: catalogue.Fault, site: str) -> None:
        done = threading.Event()

        def cure() -> None:
            assert fault.end is not None
            for last in (False, False, True):
                try:
                    fault.end(self.lab, site)
                    break
                except Exception as error:
                    if last:
                        self.not_cured.append(f"{fault.name} at {site}: {error}")
                    time.sleep(2)
            done.set()

        timer = threading.Timer(fault.seconds, cure)
        timer.daemon = True
        timer.start()
        self._cures.append((timer, done))

    def cured(self) -> None:
        """Wait until each fault is over."""
        for _, done in self._cures:
            done.wait(_CURED)
        self._cures.clear()

    def _paused(self, task: Any, record: Record | None, shot: Shot) -> dict[str, Any] | None:
        """The answer of a try that has not come to its moment; None: it stands there."""
        assert record is not None
        zombie = Zombie(self.moments, lambda: self._once(task))
        happens = shot.happens

        def pause(call: Call | None) -> None:
            happens(call)
            zombie.pause(call)

        shot.happens = pause
        if not zombie.begin():
            if zombie.error is not None:
                raise zombie.error
            return zombie.result
        self._zombies.append((self.chance.choice([0, 1, 3, 1000]), record, zombie))
        return None

    def _let_go(self, *, all_of_them: bool = False) -> None:
        waiting = []
        self.moments.begin(None)
        for steps, record, zombie in self._zombies:
            if steps > 0 and not all_of_them:
                waiting.append((steps - 1, record, zombie))
                continue
            record.paused = zombie.go_on()
            if zombie.error is not None:
                self.texts.append(str(zombie.error))
        self._zombies = waiting

    def finish(self) -> None:
        """Let every paused try go, and wait until each fault is over."""
        self._let_go(all_of_them=True)
        self.cured()

    # -- parts of the driver -------------------------------------------------------------------------

    def _answer(self, task: Any) -> dict[str, Any]:
        self._asks.add(task.task_id)
        cell = self.cells.get(task.task_id)
        if cell is None or cell.moment != ASKED:
            return super()._answer(task)
        self.shown[task.task_id] = task.body
        record = self.records[task.task_id]
        if cell.fault in (REJECTED, TIMED_OUT):
            self._happen(cell, record, None)
            event: dict[str, Any] = {
                "chosen_options": ["Reject"],
                "params_input": {},
                "responded_at": self.context["dag_run"].run_after,
                "responded_by_user": {"id": "night-shift", "name": "night-shift"},
            }
            if cell.fault == TIMED_OUT:
                event = {"error": "timeout", "error_type": "timeout"}
            return task.execute_complete(self.context, event)
        self._happen(cell, record, None)
        return super()._answer(task)

    def _resumed(self, task: Any, deferral: Any, log: Any) -> dict[str, Any]:
        self.moments.waits()
        while True:
            try:
                return super()._resumed(task, deferral, log)
            except _Marked:
                raise
            except Died:
                if self.moments._part != "wait":
                    raise
                # Another triggerer takes what Airflow's database has.
                path, arguments = deferral.trigger.serialize()
                deferral.trigger = import_string(path)(**arguments)


def forget(dag_id: str, run_id: str) -> None:
    """A run has ended, as Airflow knows."""
    Try.ended.add((dag_id, run_id))


def runs_again(dag_id: str, run_id: str) -> None:
    """A run was cleared."""
    Try.ended.discard((dag_id, run_id))
