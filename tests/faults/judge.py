"""What must hold whatever dies: one writer at a time, no secret shown, nothing left behind, nothing lost or doubled."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from typing import Any

from infomart_lab import lca, procs
from infomart_lab.config import LabConfig
from infomart_lab.datapump.jobs import RUNNING_STATES
from infomart_lab.demo import judge_loss, not_there
from infomart_lab.goldengate.home import Home
from infomart_lab.icon import set_load
from infomart_lab.postgres import connect
from tests.system.secrets_scan import in_files, secrets

#: Seconds between two looks at the processes of the machine.
_LOOK = 0.2


class Watcher(threading.Thread):
    """Looks at all processes: the Info Mart Servers that run at the same time, and command lines with a secret."""

    def __init__(self, lab: LabConfig) -> None:
        super().__init__(daemon=True)
        self._home = lab.home
        self._needles = [text.encode() for text in secrets(lab)]
        self._ended = threading.Event()
        #: Moments at which two servers ran.
        self.two_servers: list[float] = []
        self.secrets: set[str] = set()
        self.looks = 0

    def run(self) -> None:
        known: dict[int, bool] = {}
        while not self._ended.wait(_LOOK):
            self.looks += 1
            serving = set()
            # Without Path, which would cost half a processor here.
            for name in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208
                try:
                    with open(f"/proc/{name}/cmdline", "rb", buffering=0) as file:  # noqa: PTH123
                        line = file.read()
                except OSError:
                    continue
                if any(needle in line for needle in self._needles):
                    self.secrets.add(line.replace(b"\0", b" ").decode(errors="replace")[:120])
                if lca.MODULE.encode() in line:
                    pid = int(name)
                    if pid not in known:
                        known[pid] = procs.environment(pid).get(procs.HOME_VARIABLE) == str(self._home)
                    if known[pid] and procs.alive(pid):
                        serving.add(line.rstrip(b"\0").rpartition(b"\0")[2])
            if len(serving) > 1:
                self.two_servers.append(time.time())

    def stop(self) -> None:
        """End the looks."""
        self._ended.set()
        self.join(5)


def orphans(lab: LabConfig, serving: str, other: str, *, lost: bool = False) -> list[str]:
    """What a procedure has left behind that nobody needs.

    :param serving: the site that serves.
    :param other: its standby; nothing is expected of a lost one.
    """
    found = []
    for site in (serving,) if lost else (serving, other):
        home = Home(lab, site)
        wanted = set() if lost else {"EGIM", "PGIM"} if site == serving else {"RGIM"}
        groups = {group.name: group.status() for group in home.groups()}
        found += [f"group {name} at {site}" for name in sorted(set(groups) - wanted)]
        found += [f"no group {name} at {site}" for name in sorted(wanted - set(groups))]
        found += [
            f"{name} at {site} is {groups[name]}" for name in sorted(wanted & set(groups)) if groups[name] != "RUNNING"
        ]
        schema = lab.sites[site].goldengate_schema.lower()
        with connect(lab, site, "gim", application_name="lab_judge") as session:
            if session.execute("select to_regclass(%s)", [f"{schema}.dr_lock"]).fetchone()[0]:  # type: ignore[index]
                rows = session.execute(f"select plan_id from {schema}.dr_lock").fetchall()
                found += [f"lock of {plan} at {site}" for (plan,) in rows]
            rows = session.execute("select job_name, state from sys.lab_datapump_jobs").fetchall()
            found += [f"Data Pump job {name} at {site}: {state}" for name, state in rows if state in RUNNING_STATES]
        with connect(lab, site, "idb", application_name="lab_judge") as session:
            tables = session.execute("select schemaname from pg_tables where tablename = 'dr_purge_hold'").fetchall()
            for (owner,) in tables:
                query = f'select owner from "{owner}".dr_purge_hold where released_at is null'
                found += [f"purge hold of {plan} at {site}" for (plan,) in session.execute(query).fetchall()]
        for kind in ("db", "gim"):
            folder = lab.host_dir(site, kind)
            found += [f"file {path.name} at {site}-{kind}" for path in (folder / ".infomart_dr").rglob("*.new")]
            jobs = folder / ".infomart_dr" / "jobs"
            for job in sorted(jobs.iterdir()) if jobs.is_dir() else []:
                if not (job / "exit_code").exists():
                    found.append(f"job {job.name} at {site}-{kind} without an end")
        found += [f"file {path.name} at {site}" for path in (home.root / "dirprm").glob("*.new")]
    return found


def start_abended(lab: LabConfig) -> list[str]:
    """Start the groups that have abended, as a person does after a reboot or an outage."""
    started = []
    for site in ("site1", "site2"):
        home = Home(lab, site)
        if home.manager_running() is None:
            continue
        for group in home.groups():
            if group.status() == "ABENDED":
                answer = home.ask_manager({"command": "start", "kind": group.kind, "group": group.name})
                started += [f"{group.name} at {site}"] if answer.get("ok") else []
    return started


def audited(lab: LabConfig, sites: Iterable[str], rate: float) -> dict[str, dict[str, int]]:
    """The audit of each site once everything has arrived; calls go on afterwards."""
    try:
        found = judge_loss(lab, tuple(sites), 90)
        return {
            site: {"not there": not_there(each), "duplicated": each.duplicated, "extra": each.extra}
            for site, each in found.items()
        }
    finally:
        set_load(lab, rate)


def shown_secrets(lab: LabConfig, texts: Iterable[str]) -> list[str]:
    """Places where a secret of the lab is shown: files, and texts that people see."""
    wanted = secrets(lab)
    told = [text[:60] for text in texts if any(each in text for each in wanted)]
    return in_files(lab, wanted) + told


def service(lab: LabConfig) -> dict[str, Any]:
    """The Info Mart Server of each site."""
    return {site: lca.status(lab, site) for site in ("site1", "site2")}
