"""The lab's supervisor: starts the parts in order, fails and heals sites, takes everything down at the end.

Two processes: a *guardian*, which only waits, and the supervisor below it. The guardian adopts orphans. When the
supervisor is gone, for any reason, it ends all remaining processes; so neither a crash nor a SIGKILL leaves a process
behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from infomart_lab import airflow_part, gi2ctl, lca, procs, shims
from infomart_lab.config import HOME_VARIABLE, HOST_VARIABLE, LabConfig, change, fault, port_in_use, ready_file
from infomart_lab.parts import Part, StartError
from infomart_lab.postgres import Cluster

State = Literal["waiting", "starting", "ready", "died", "stopped", "failed"]

#: Parts that a part needs; they are started with it.
_NEEDED = {"oracle": "postgres"}

#: Folder that holds the package, for PYTHONPATH of the processes that are started.
PACKAGE_ROOT = str(Path(__file__).resolve().parents[1])


@dataclass
class _Running:
    part: Part
    state: State = "waiting"
    process: subprocess.Popen[bytes] | None = None
    exit_code: int | None = None


def log_file(config: LabConfig, name: str, site: str | None = None) -> Path:
    """Log of a part."""
    return config.log_dir / (f"{site}-{name}.log" if site else f"{name}.log")


def _lab_part(config: LabConfig, name: str, site: str | None, *, module: str | None = None) -> Part:
    marker = ready_file(config, name, site)
    return Part(
        name=name,
        argv=[sys.executable, "-m", module or "infomart_lab.part", name, *([site] if site else [])],
        ready=marker.exists,
        log=log_file(config, name, site),
        site=site,
    )


def _last_words(log: Path) -> str:
    """The end of a log in brackets, for a message; empty when there is none."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return f" ({lines[-1][:200]})" if lines else ""


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return reply.status < 500
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


class Supervisor:
    """State and actions of a running lab; one event loop, all processes are started from its thread."""

    def __init__(self, config: LabConfig, *, airflow_port: int | None = None, owner_pid: int | None = None) -> None:
        self.config = config
        self.airflow_port = airflow_port
        self.owner_pid = owner_pid
        self.state = "starting"
        self.error: str | None = None
        self.parts: dict[tuple[str | None, str], _Running] = {}
        self.sites: dict[str, str] = {
            name: "starting" if site.present else "absent" for name, site in config.sites.items()
        }
        self._stop = asyncio.Event()
        self._locks: dict[str, asyncio.Lock] = {name: asyncio.Lock() for name in config.sites}

    # -- one part --------------------------------------------------------------------------------

    def _environment(self, part: Part) -> dict[str, str]:
        variables = {k: v for k, v in os.environ.items() if k not in {HOST_VARIABLE, procs.SITE_VARIABLE}}
        path = [PACKAGE_ROOT, *filter(None, variables.get("PYTHONPATH", "").split(os.pathsep))]
        variables["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path))
        variables["PYTHONUNBUFFERED"] = "1"
        variables[HOME_VARIABLE] = str(self.config.home)
        variables[procs.PART_VARIABLE] = part.name
        if part.site:
            variables[procs.SITE_VARIABLE] = part.site
            if part.name in {"postgres", "oracle", "goldengate"}:
                variables[HOST_VARIABLE] = f"{part.site}/db"
        variables.update(part.env)
        return variables

    async def start(self, part: Part) -> None:
        """Start a part and wait until it is ready.

        :raises StartError: it ended or was not ready in time.
        """
        running = _Running(part, "starting")
        self.parts[part.site, part.name] = running
        ready_file(self.config, part.name, part.site).unlink(missing_ok=True)
        log = part.log or log_file(self.config, part.name, part.site)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            running.process = subprocess.Popen(
                part.argv,
                env=self._environment(part),
                cwd=part.cwd or self.config.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=part.user,
                group=part.group,
                extra_groups=[] if part.user is not None else None,
                preexec_fn=lambda: procs.die_with_parent(part.stop_signal),
            )
        where = f"{part.name} of {part.site}" if part.site else part.name
        deadline = time.monotonic() + part.ready_seconds
        while True:
            code = running.process.poll()
            if code is not None:
                running.exit_code = code
                if part.once and code == 0:
                    running.state = "stopped"
                    return
                running.state = "failed" if running.state == "failed" else "died"
                raise StartError(f"{where} ended with exit code {code}{_last_words(log)}; see {log}")
            if not part.once and await self._is_ready(part):
                running.state = "ready"
                return
            if time.monotonic() > deadline:
                limit = f"{part.ready_seconds:.0f} s"
                raise StartError(f"{where} was not ready within {limit}{_last_words(log)}; see {log}")
            await asyncio.sleep(0.05)

    async def _is_ready(self, part: Part) -> bool:
        if part.ready is None:
            return True
        if isinstance(part.ready, str):
            return await asyncio.to_thread(_answers, part.ready)
        return await asyncio.to_thread(part.ready)

    async def stop_part(self, running: _Running, *, kill: bool = False) -> None:
        """End a part's process: its stop signal, or SIGKILL with ``kill`` or when it takes too long."""
        process = running.process
        if process is None or process.poll() is not None:
            if running.state in {"starting", "ready"}:
                running.state = "stopped"
            return
        running.state = "died" if kill else "stopped"
        process.send_signal(signal.SIGKILL if kill else running.part.stop_signal)
        deadline = time.monotonic() + running.part.stop_seconds
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
                deadline = time.monotonic() + 60
            await asyncio.sleep(0.03)
        running.exit_code = process.returncode
        ready_file(self.config, running.part.name, running.part.site).unlink(missing_ok=True)

    # -- one site --------------------------------------------------------------------------------

    async def _postgres(self, site: str) -> Part:
        cluster = Cluster(self.config, site)
        await asyncio.to_thread(cluster.initdb)
        argv, env, uid, gid = cluster.command()
        return Part(
            name="postgres",
            argv=[str(argument) for argument in argv],
            env=dict(env or {}),
            cwd=self.config.site_dir(site),
            ready=cluster.is_up,
            log=log_file(self.config, "postgres", site),
            site=site,
            user=uid,
            group=gid,
            stop_signal=signal.SIGINT,
            stop_seconds=15,
        )

    async def start_site(self, site: str) -> None:
        """Start the parts of a site up to its servers; independent parts start at the same time."""
        self.sites[site] = "starting"
        config = self.config
        for name in ("postgres", "oracle", "ssh", "goldengate", "genesys", "icon"):
            self.parts[site, name] = _Running(_lab_part(config, name, site))

        async def database() -> None:
            await self.start(await self._postgres(site))
            prepared = config.site_dir(site) / ".prepared"
            if not prepared.exists():
                part = _lab_part(config, "prepare", site)
                part.once, part.ready = True, None
                await self.start(part)
                del self.parts[site, "prepare"]
                prepared.touch()
            await self.start(_lab_part(config, "oracle", site))
            await self.start(_lab_part(config, "goldengate", site))

        await _all(
            database(),
            self.start(_lab_part(config, "ssh", site)),
            self.start(_lab_part(config, "genesys", site)),
        )

    async def _start_writers(self, sites: Iterable[str]) -> None:
        await _all(*(self._start_writer(site) for site in sites))

    async def _start_writer(self, site: str) -> None:
        await self.start(_lab_part(self.config, "icon", site))
        await self.start_server(site, only_served=True)
        self.sites[site] = "up"

    async def start_server(self, site: str, *, only_served: bool = False) -> None:
        """Start the site's Info Mart Server as an operator would: through its Solution Control Server.

        :param only_served: leave it, unless the start of the whole lab starts it.
        """
        # Heavy, for its web server, and no verb of the command line needs it.
        from infomart_lab import genesys

        if only_served and not await asyncio.to_thread(genesys.is_served_here, self.config, site):
            return
        await asyncio.to_thread(genesys.start_server, self.config, site)

    async def _kill_site(self, site: str) -> list[int]:
        """SIGKILL all processes of a site at once; those that could not be killed are returned."""
        for (of_site, _), running in self.parts.items():
            if of_site == site:
                running.state = "failed"
        started = [
            r.process.pid
            for (of_site, _), r in self.parts.items()
            if of_site == site and r.process is not None and r.process.poll() is None
        ]

        def find() -> set[int]:
            known = {*procs.lab_processes(self.config.home, site=site), *started}
            return procs.with_descendants(pid for pid in known if procs.alive(pid))

        left = await asyncio.to_thread(procs.kill_all, find)
        for marker in self.config.run_dir.glob(f"{site}-*.ready"):
            marker.unlink(missing_ok=True)
        self._poll()
        return left

    async def fail(self, site: str) -> dict[str, Any]:
        """SIGKILL all processes of a site at once, as when the site is destroyed; its data stays."""
        async with self._locks[site]:
            self.sites[site] = "failed"
            left = await self._kill_site(site)
            await asyncio.to_thread(gi2ctl.stop, self.config, site)
            return {"site": site, "state": "failed", "left": left}

    async def heal(self, site: str) -> dict[str, Any]:
        """Start a failed or absent site again with the data it has; its Info Mart Server stays stopped.

        With the fault switch ``<site>.gim_server.autostart`` on, the server starts by itself, as a Windows
        service does after a reboot.
        """
        async with self._locks[site]:
            if self.sites[site] in {"up", "starting"}:
                return {"site": site, "state": self.sites[site]}
            first_time = self.sites[site] == "absent"
            if not self.config.sites[site].present:
                self._make_present(site)
            # Parts that came back one by one are restarted with the rest, as after a reboot.
            await self._kill_site(site)
            try:
                await self.start_site(site)
                await self.start(_lab_part(self.config, "icon", site))
                if (first_time and self.config.sites[site].server_running) or fault(
                    self.config, f"{site}.gim_server.autostart"
                ):
                    await self.start_server(site)
            except BaseException:
                self.sites[site] = "failed"
                raise
            self.sites[site] = "up"
            return {"site": site, "state": "up"}

    def _make_present(self, site: str) -> None:
        def present(stored: LabConfig) -> None:
            stored.sites[site].present = True

        # The stored configuration has an administrator's changes since the start.
        change(self.config.home, present)
        self.config.sites[site].present = True
        _prepare_files(self.config)

    async def part_action(self, verb: str, site: str | None, name: str) -> dict[str, Any]:
        """Start, stop or kill one part; of a failed site, only this part comes back.

        :raises StartError: there is no such part, or it did not start.
        """
        if (running := self.parts.get((site, name))) is None:
            known = sorted(n for s, n in self.parts if s == site)
            raise StartError(f"no part {name!r} in {site or 'the lab'}; there are {', '.join(known) or 'none'}")
        if verb == "start":
            if (needed := _NEEDED.get(name)) and (site, needed) in self.parts:
                await self.part_action("start", site, needed)
            if running.process is None or running.process.poll() is not None:
                await self.start(running.part)
        else:
            await self.stop_part(running, kill=verb == "kill")
        return self._part_status(self.parts[site, name])

    # -- the lab ---------------------------------------------------------------------------------

    async def _extra_parts(self) -> None:
        if self.airflow_port is None:
            return
        # Heavy, for its HTTP client, and only a lab with Airflow needs it.
        from infomart_lab import airflow_start

        for part in airflow_start.parts(self.config, self.airflow_port):
            await self.start(part)

    async def bring_up(self) -> None:
        """Start all present sites."""
        present = [name for name, site in self.config.sites.items() if site.present]
        links = self.start(_lab_part(self.config, "links", None))

        async def sites() -> None:
            # the writers of a data source write to both IDBs: they start when both sites serve
            await _all(*(self.start_site(site) for site in present), links)
            await self._start_writers(present)

        await _all(sites(), self._extra_parts())
        self.state = "up"

    def _poll(self) -> None:
        for running in self.parts.values():
            process = running.process
            if process is None or process.poll() is None:
                continue
            running.exit_code = process.returncode
            if running.state == "ready":
                # as the manager after STOP MGR
                running.state = "stopped" if process.returncode == 0 else "died"

    def _part_status(self, running: _Running) -> dict[str, Any]:
        process = running.process
        return {
            "state": running.state,
            "pid": process.pid if process is not None and process.returncode is None else None,
            "exit_code": running.exit_code,
            "log": str(running.part.log or log_file(self.config, running.part.name, running.part.site)),
        }

    async def status(self) -> dict[str, Any]:
        """What runs, as plain data."""
        served = [site for site, state in self.sites.items() if state in {"starting", "up"}]
        words = await asyncio.gather(*(asyncio.to_thread(lca.status, self.config, site) for site in served))
        servers = dict(zip(served, words, strict=True))
        self._poll()
        return {
            "state": self.state,
            "error": self.error,
            "home": str(self.config.home),
            "base_port": self.config.base_port,
            "supervisor": os.getpid(),
            "airflow": self._airflow(),
            "sites": {
                site: {
                    "state": state,
                    "info_mart_server": servers.get(site),
                    "parts": {n: self._part_status(r) for (s, n), r in self.parts.items() if s == site},
                }
                for site, state in self.sites.items()
            },
            "parts": {n: self._part_status(r) for (s, n), r in self.parts.items() if s is None},
        }

    def _airflow(self) -> dict[str, str] | None:
        """Address and password file of the web interface, while it is served."""
        running = self.parts.get((None, airflow_part.API_SERVER))
        if self.airflow_port is None or running is None or running.state != "ready":
            return None
        return {
            "url": airflow_part.url(self.config, self.airflow_port),
            "user": airflow_part.USER,
            "password_file": str(airflow_part.password_file(self.config)),
        }

    async def take_down(self) -> None:
        """Stop everything in the reverse order of the start; PostgreSQL last."""
        self.state = "stopping"

        async def stop(*names: str) -> None:
            chosen = [r for (_, name), r in self.parts.items() if name in names]
            await _all(*(self.stop_part(r) for r in chosen))

        lab_parts = {"icon", "goldengate", "genesys", "ssh", "oracle", "links", "postgres"}
        extra = [r for (site, name), r in self.parts.items() if site is None and name not in lab_parts]
        for running in reversed(extra):
            # the signal to the group also ends the workers of such a part
            if running.process is not None and running.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.process.pid, signal.SIGTERM)
        await _all(*(self.stop_part(r) for r in extra))
        await stop("icon")
        # first the parts that start others, then the started ones, then those that all of them need
        await stop("goldengate", "genesys", "ssh")
        others = {r.process.pid for r in self.parts.values() if r.process is not None}

        def detached() -> list[int]:
            found = procs.lab_processes(self.config.home)
            return [pid for pid in found if pid not in others and not procs.is_postgres(pid)]

        await asyncio.to_thread(procs.end_all, detached, grace=5.0)
        await stop("oracle", "links")
        await stop("postgres")
        self.state = "down"

    # -- control ---------------------------------------------------------------------------------

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        verb, site = request.get("verb"), request.get("site")
        if site is not None and site not in self.sites:
            raise StartError(f"unknown site {site!r}; there are {', '.join(self.sites)}")
        if verb == "status":
            return await self.status()
        if verb == "shutdown":
            self._stop.set()
            return {"state": "stopping", "supervisor": os.getpid()}
        if verb == "fail" and site:
            return await self.fail(site)
        if verb == "heal" and site:
            return await self.heal(site)
        if verb in {"start", "stop", "kill"}:
            return await self.part_action(str(verb), site, str(request.get("part")))
        raise StartError(f"unknown request {verb!r}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            reply = await self._answer(json.loads(await reader.readline()))
        except Exception as error:
            reply = {"error": str(error) or type(error).__name__}
            if not isinstance(error, StartError):
                traceback.print_exc()
        with contextlib.suppress(OSError):
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
            writer.close()

    async def run(self) -> int:
        """Serve until a signal, a request or the owner's death; then take everything down."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop.set)
        with _socket_folder(self.config) as folder:
            path = f"{folder}/control.sock"
            Path(path).unlink(missing_ok=True)
            server = await asyncio.start_unix_server(self._serve, path)
        start = asyncio.create_task(self.bring_up())
        stop = asyncio.create_task(self._stop.wait())
        while not stop.done():
            if start.done() and not start.cancelled() and self.state == "starting":
                self.state = "failed"
                problem = start.exception()
                self.error = str(problem)
                if problem is not None and not isinstance(problem, StartError):
                    traceback.print_exception(problem)
            if self.owner_pid is not None and not procs.alive(self.owner_pid):
                print(f"process {self.owner_pid}, for which the lab runs, is gone: shutting down", flush=True)
                break
            self._poll()
            await asyncio.wait({stop}, timeout=0.2)
        start.cancel()
        await asyncio.wait({start}, timeout=5)
        await self.take_down()
        server.close()
        return 0


async def _all(*actions: Awaitable[Any]) -> None:
    """Run actions at the same time; the first failure cancels the others and is raised."""
    tasks = [asyncio.ensure_future(action) for action in actions]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


# -- start and control from outside ---------------------------------------------------------------


class LabError(Exception):
    """A verb of the command line has failed; the message is one clear sentence."""

    exit_code = 1


class PortsInUseError(LabError):
    """Other programs listen on ports that the lab needs."""

    exit_code = 2


@contextlib.contextmanager
def _socket_folder(config: LabConfig) -> Iterator[str]:
    """Short name of the run folder: the name of a Unix socket may have no more than 107 bytes."""
    config.run_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(config.run_dir, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def request(config: LabConfig, verb: str, *, timeout: float = 180.0, **arguments: Any) -> dict[str, Any]:
    """Send a request to the running supervisor.

    :param verb: ``status``, ``fail``, ``heal``, ``start``, ``stop``, ``kill`` or ``shutdown``.
    :raises LabError: the lab is not running, or the supervisor refused.
    """
    with (
        _socket_folder(config) as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        connection.settimeout(timeout)
        try:
            connection.connect(f"{folder}/control.sock")
            connection.sendall(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                reply = json.loads(lines.readline() or b"{}")
        except (FileNotFoundError, ConnectionError) as error:
            raise LabError(
                f"the lab under {config.home} is not running; `python -m infomart_lab up` starts it"
            ) from error
        except TimeoutError as error:
            raise LabError(f"the supervisor did not answer {verb!r} within {timeout:.0f} s") from error
    if "state" not in reply:
        raise LabError(str(reply.get("error", f"the supervisor ended before it answered {verb!r}")))
    return reply


def is_running(config: LabConfig) -> bool:
    """True while a supervisor or its guardian lives; they hold a lock on a file of the run folder."""
    try:
        descriptor = os.open(config.run_dir / "supervisor.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def check_ports(config: LabConfig, extra: dict[int, str] | None = None) -> None:
    """Make sure that every port of the lab is free.

    :param extra: more ports, with what they are for.
    :raises PortsInUseError: names the ports and the remedy.
    """
    wanted = {**config.all_ports(), **(extra or {})}
    taken = {port: what for port, what in sorted(wanted.items()) if port_in_use(port, config.address)}
    if not taken:
        return
    who = procs.listeners(taken)
    named = [f"{port} ({what})" + (f" by {who[port]}" if port in who else "") for port, what in taken.items()]
    shown = ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
    cures = []
    if any(port in taken for port in config.all_ports()):
        cures.append("--base-port for the lab (make: BASE_PORT=)")
    if any(port in taken for port in extra or {}):
        cures.append("--airflow-port for Airflow (make: AIRFLOW_PORT=)")
    raise PortsInUseError(
        f"{'port is' if len(taken) == 1 else 'ports are'} in use: {shown}. "
        f"Next: end that program (a lab ends by `down`), or take other ports by {' and '.join(cures)}"
    )


def _airflow_ports(port: int) -> dict[int, str]:
    """Ports of Airflow, with what each is for."""
    return {
        port: "Airflow's web interface",
        port + 1: "logs of Airflow's triggerer",
        port + 2: "logs of Airflow's workers",
    }


def launch(
    config: LabConfig, *, airflow_port: int | None = None, owner_pid: int | None = None
) -> subprocess.Popen[bytes]:
    """Start the guardian and, below it, the supervisor in a session of their own; returns at once.

    :raises PortsInUseError: a port is taken.
    """
    check_ports(config, _airflow_ports(airflow_port) if airflow_port else None)
    for folder in (config.log_dir, config.run_dir):
        folder.mkdir(parents=True, exist_ok=True)
    for stale in (*config.run_dir.glob("*.ready"), *config.run_dir.glob("control.sock")):
        stale.unlink()
    _prepare_files(config)
    variables = {**os.environ, HOME_VARIABLE: str(config.home), procs.PART_VARIABLE: "supervisor"}
    variables["PYTHONPATH"] = os.pathsep.join(
        filter(None, dict.fromkeys([PACKAGE_ROOT, *variables.get("PYTHONPATH", "").split(os.pathsep)]))
    )
    if airflow_port:
        variables["INFOMART_LAB_AIRFLOW_PORT"] = str(airflow_port)
    if owner_pid:
        variables["INFOMART_LAB_OWNER_PID"] = str(owner_pid)
    with (config.log_dir / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "infomart_lab.part", "supervisor"],
            env=variables,
            cwd=config.home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _prepare_files(config: LabConfig) -> None:
    """Write the files that the hosts need before anything runs: keys and the folders of programs."""
    # Heavy for its SSH server, and the supervisor seldom needs it.
    from infomart_lab import host

    host.prepare_keys(config)
    for site in config.sites:
        shims.write(config, site)


def shut_down(config: LabConfig, *, seconds: float = 60.0) -> dict[str, Any]:
    """Stop the lab and end every process of it that is left; no error when nothing runs.

    :raises LabError: processes could not be ended.
    """
    was_running = is_running(config)
    if was_running:
        with contextlib.suppress(LabError):
            request(config, "shutdown", timeout=10)
        deadline = time.monotonic() + seconds
        while is_running(config) and time.monotonic() < deadline:
            time.sleep(0.05)
    left = procs.end_all(lambda: procs.with_descendants(procs.lab_processes(config.home)))
    for name in ("supervisor.pid", "guardian.pid", "control.sock"):
        (config.run_dir / name).unlink(missing_ok=True)
    if left:
        raise LabError(f"processes {', '.join(map(str, left))} of the lab could not be ended")
    return {"state": "down", "was_running": was_running}


def main(config: LabConfig) -> int:
    """Guardian and supervisor; returns when the lab is down.

    :returns: exit code; 3 when another supervisor runs for this home.
    """
    config.run_dir.mkdir(parents=True, exist_ok=True)
    lock = os.open(config.run_dir / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another supervisor runs already", flush=True)
        return 3
    procs.become_subreaper()
    guardian = os.getpid()
    (config.run_dir / "guardian.pid").write_text(str(guardian))
    # read before the fork: the child must not outlive a guardian that is killed in between
    child = os.fork()
    if child == 0:
        procs.die_with_parent(signal.SIGTERM)
        code = 1
        try:
            if os.getppid() == guardian:
                (config.run_dir / "supervisor.pid").write_text(str(os.getpid()))
                airflow, owner = (
                    os.environ.pop(f"INFOMART_LAB_{name}", None) for name in ("AIRFLOW_PORT", "OWNER_PID")
                )
                supervisor_run = _run(config, airflow, owner)
                code = asyncio.run(supervisor_run)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return _guard(config, child)


async def _run(config: LabConfig, airflow_port: str | None, owner_pid: str | None) -> int:
    supervisor = Supervisor(
        config,
        airflow_port=int(airflow_port) if airflow_port else None,
        owner_pid=int(owner_pid) if owner_pid else None,
    )
    return await supervisor.run()


def _guard(config: LabConfig, supervisor: int) -> int:
    """Wait for the supervisor, reaping the orphans of the lab, then end all remaining processes."""
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # passed on: the supervisor takes the lab down in order, the guardian stays until the end
        signal.signal(signum, lambda received, _: procs.send([supervisor], signal.SIGTERM))
    code = 1
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            break
        if pid == supervisor:
            code = os.waitstatus_to_exitcode(status)
            break

    def find() -> list[int]:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return sorted(procs.with_descendants([os.getpid()]) - {os.getpid()})

    left = procs.end_all(find)
    if left:
        print(f"processes {left} could not be ended", flush=True)
    for name in ("supervisor.pid", "guardian.pid", "control.sock"):
        (config.run_dir / name).unlink(missing_ok=True)
    for marker in config.run_dir.glob("*.ready"):
        marker.unlink(missing_ok=True)
    return code if code >= 0 else 1
