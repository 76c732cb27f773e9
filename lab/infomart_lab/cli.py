"""Command line of the lab: ``python -m infomart_lab``; every verb has ``--json``."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from infomart_lab import airflow_part, host, icon, site_setup, supervisor, topology
from infomart_lab import config as lab_config
from infomart_lab import links as lab_links
from infomart_lab.audit import AuditError, AuditResult
from infomart_lab.audit import audit as judge
from infomart_lab.config import SCENARIOS, LabConfig, PurgeMechanism, Role, Wording, scenario
from infomart_lab.supervisor import LabError

app = typer.Typer(
    help="Three contact-centre sites on one machine: a rehearsal without Oracle, GoldenGate or Genesys.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_out = Console()
_err = Console(stderr=True)

_Home = Annotated[Path | None, typer.Option("--home", help="Folder of the lab; $INFOMART_LAB_HOME or build/lab.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


# -- helpers --------------------------------------------------------------------------------------


def _fail(message: str, as_json: bool, code: int = 1) -> NoReturn:
    if as_json:
        print(json.dumps({"error": message}))
    else:
        _err.print(f"[red]error:[/red] {_escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def _escape(text: object) -> str:
    return str(text).replace("[", r"\[")


def _load(home: Path | None, as_json: bool) -> LabConfig:
    folder = (home or lab_config.default_home()).resolve()
    try:
        return lab_config.load(folder)
    except FileNotFoundError:
        _fail(f"there is no lab under {folder}; `python -m infomart_lab up` makes one", as_json)
    except ValueError as error:
        _fail(f"{folder / 'lab.json'} is damaged: {error}", as_json)


def _print(result: Any, as_json: bool, text: str | None = None) -> None:
    if as_json:
        print(json.dumps(result, default=str))
    elif text is not None:
        _out.print(text, highlight=False, soft_wrap=True)


def _site(config: LabConfig, site: str, as_json: bool) -> str:
    if site not in config.sites:
        _fail(f"unknown site {site!r}; there are {', '.join(config.sites)}", as_json, 2)
    return site


def _ask(config: LabConfig, as_json: bool, verb: str, **arguments: Any) -> dict[str, Any]:
    try:
        return supervisor.request(config, verb, **arguments)
    except LabError as error:
        _fail(str(error), as_json, error.exit_code)


def _table(status: dict[str, Any]) -> Table:
    colours = {
        "ready": "green",
        "up": "green",
        "died": "red",
        "failed": "red",
        "starting": "yellow",
        "waiting": "dim",
        "stopped": "dim",
        "absent": "dim",
    }
    table = Table("site", "part", "state", "process", "log", box=None, pad_edge=False)

    def row(site: str, part: str, state: str, process: object = "", log: str = "") -> None:
        colour = colours.get(state, "default")
        table.add_row(site, part, f"[{colour}]{state}[/{colour}]", str(process or ""), _escape(Path(log).name))

    for site, found in status["sites"].items():
        row(site, "", found["state"])
        for name, part in found["parts"].items():
            row("", name, part["state"], part["pid"], part["log"])
        if found["info_mart_server"]:
            row("", "Info Mart Server", found["info_mart_server"])
    for name, part in status["parts"].items():
        row("", name, part["state"], part["pid"], part["log"])
    return table


# -- the lab as a whole ---------------------------------------------------------------------------


@app.command()
def up(
    home: _Home = None,
    base_port: Annotated[int | None, typer.Option(min=1024, max=65000, help="First of 300 ports.")] = None,
    scale: Annotated[int | None, typer.Option(min=0, help="Interactions at the start.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.0, help="Calls a second.")] = None,
    scenario_name: Annotated[
        str, typer.Option("--scenario", help=f"Start of a new lab: {', '.join(SCENARIOS)}.")
    ] = "return-to-normal",
    single_idb: Annotated[
        list[str] | None, typer.Option(help="Data source without an HA pair, as TS1; for a new lab; may be repeated.")
    ] = None,
    cdb: Annotated[
        list[str] | None,
        typer.Option(help="Site whose database is a CDB with a PDB, as site2; for a new lab; may be repeated."),
    ] = None,
    purge: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Mechanism that purges a data source's IDBs, as TS1=cron ({', '.join(get_args(PurgeMechanism))}); "
            "for a new lab; may be repeated."
        ),
    ] = None,
    partitioned: Annotated[
        bool, typer.Option("--partitioned", help="Facts need partitions that Job_MaintainGIM makes; for a new lab.")
    ] = False,
    real_ssh: Annotated[bool, typer.Option("--real-ssh", help="A real sshd serves the hosts; for a new lab.")] = False,
    autostart: Annotated[
        list[str] | None,
        typer.Option(help="Site whose mgr.prm starts all groups, as site3; for a new lab; may be repeated."),
    ] = None,
    goldengate: Annotated[str | None, typer.Option(help="Wording of all sites: 11.2, 19c or 21c.")] = None,
    data_pump: Annotated[str | None, typer.Option(help="Wording of all sites: 11.2, 19c or 21c.")] = None,
    airflow: Annotated[bool, typer.Option("--airflow", help="Start Airflow too.")] = False,
    airflow_port: Annotated[int, typer.Option(help="Port of Airflow's web interface.")] = 8080,
    owner_pid: Annotated[int | None, typer.Option(help="Shut down when this process is gone.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the start.")] = 300.0,
    as_json: _Json = False,
) -> None:
    """Create the lab if there is none, start it and wait until it serves."""
    folder = (home or lab_config.default_home()).resolve()
    words = {"goldengate": goldengate, "data_pump": data_pump}
    for name, word in words.items():
        if word is not None and word not in get_args(Wording):
            _fail(f"--{name.replace('_', '-')} is 11.2, 19c or 21c, not {word!r}", as_json, 2)
    new = not (folder / "lab.json").exists()
    try:
        scenario(scenario_name, single_idb=single_idb or (), cdb=cdb or ())
        config = (
            _create(
                folder,
                base_port,
                scale,
                rate,
                scenario_name,
                single_idb or (),
                partitioned,
                purge or (),
                real_ssh,
                cdb or (),
            )
            if new
            else _load(folder, as_json)
        )
    except ValueError as error:
        _fail(str(error), as_json, 2)
    if supervisor.is_running(config):
        state = _ask(config, as_json, "status")
        _print(state, as_json, f"the lab under {folder} is already running ({state['state']})")
        return
    if base_port is not None:
        config.base_port = base_port
    if rate is not None:
        config.rate = rate
    if scale is not None and not new and scale != config.scale:
        _fail(f"the lab under {folder} was made with --scale {config.scale}; `destroy` it first", as_json, 2)
    if purge and not new:
        _fail(f"the lab under {folder} is made already, and --purge is for a new one; `destroy` it first", as_json, 2)
    if unknown := sorted(set(autostart or ()) - set(config.sites)):
        _fail(f"--autostart takes one of {', '.join(config.sites)}, not {', '.join(unknown)}", as_json, 2)
    if not new and any(not config.sites[name].autostart for name in autostart or ()):
        _fail(f"the lab under {folder} was made without --autostart; `destroy` it first", as_json, 2)
    if partitioned and not config.partitioned:
        _fail(f"the lab under {folder} was made without --partitioned; `destroy` it first", as_json, 2)
    if real_ssh and not config.real_ssh:
        _fail(f"the lab under {folder} was made without --real-ssh; `destroy` it first", as_json, 2)
    for name in autostart or ():
        config.sites[name].autostart = True
    for site in config.sites.values():
        for name, word in words.items():
            if word is not None:
                setattr(site, name, word)
    config.save()
    try:
        guardian = supervisor.launch(config, airflow_port=airflow_port if airflow else None, owner_pid=owner_pid)
    except LabError as error:
        if new:
            config.path.unlink(missing_ok=True)
        _fail(str(error), as_json, error.exit_code)
    try:
        state = _wait_until_up(config, guardian, timeout, as_json)
    except KeyboardInterrupt:
        supervisor.shut_down(config)
        _fail("interrupted; the lab is down", as_json, 130)
    if state["state"] != "up":
        reason = state.get("error") or f"not up within {timeout:.0f} s"
        supervisor.shut_down(config)
        _fail(f"the lab did not start: {reason}", as_json)
    # An Airflow that somebody else started finds the sites and their connections there.
    topology.write(config, keep=True)
    if as_json:
        print(json.dumps(state))
    else:
        _out.print(_table(state))
        _out.print(f"the lab is up under {_escape(folder)}, ports from {config.base_port}", highlight=False)
        if airflow:
            user, password = airflow_part.credentials(config)
            address = airflow_part.url(config, airflow_port)
            _out.print(f"Airflow: {address}, user {user}, password {_escape(password)}", highlight=False)


def _create(
    folder: Path,
    base_port: int | None,
    scale: int | None,
    rate: float | None,
    scenario_name: str,
    single_idb: Collection[str] = (),
    partitioned: bool = False,
    purge: Collection[str] = (),
    real_ssh: bool = False,
    cdb: Collection[str] = (),
) -> LabConfig:
    given = {"base_port": base_port, "scale": scale, "rate": rate}
    sites, sources = scenario(scenario_name, single_idb=single_idb, cdb=cdb)
    for name, _, mechanism in (each.partition("=") for each in purge):
        found = [source for source in sources if source.name == name]
        if not found or mechanism not in get_args(PurgeMechanism):
            raise ValueError(
                f"--purge is a data source ({', '.join(source.name for source in sources)}), an equals sign and one of "
                f"{', '.join(get_args(PurgeMechanism))}, not {name}={mechanism}"
            )
        found[0].purge = mechanism  # type: ignore[assignment]
    return lab_config.create(
        folder,
        scenario_name=scenario_name,
        sites=sites,
        data_sources=sources,
        partitioned=partitioned,
        real_ssh=real_ssh,
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
    )


def _wait_until_up(config: LabConfig, guardian: Any, timeout: float, as_json: bool) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    state: dict[str, Any] = {"state": "starting"}
    shown: Any = None if as_json or not _err.is_terminal else _err.status("starting")
    with shown if shown is not None else _nothing():
        while time.monotonic() < deadline:
            code = guardian.poll()
            if code is not None:
                log = config.log_dir / "supervisor.log"
                return {"state": "failed", "error": f"the supervisor ended with exit code {code}; see {log}"}
            try:
                state = supervisor.request(config, "status", timeout=10)
            except LabError:
                time.sleep(0.1)
                continue
            if state["state"] != "starting":
                return state
            if shown is not None:
                waiting = [
                    f"{site} {name}"
                    for site, found in state["sites"].items()
                    for name, part in found["parts"].items()
                    if part["state"] == "starting"
                ]
                shown.update(f"starting {', '.join(waiting)}")
            time.sleep(0.15)
    return state


def _nothing() -> Any:
    return contextlib.nullcontext()


@app.command()
def down(home: _Home = None, as_json: _Json = False) -> None:
    """Stop everything; no process of the lab is left."""
    config = _load(home, as_json)
    try:
        result = supervisor.shut_down(config)
    except LabError as error:
        _fail(str(error), as_json, error.exit_code)
    _print(result, as_json, "the lab is down" if result["was_running"] else "the lab was not running")


@app.command()
def status(home: _Home = None, as_json: _Json = False) -> None:
    """Show what runs; exit code 1 when the lab is down or a part has died."""
    config = _load(home, as_json)
    if not supervisor.is_running(config):
        _print({"state": "down", "home": str(config.home)}, as_json, f"the lab under {config.home} is down")
        raise typer.Exit(1)
    state = _ask(config, as_json, "status")
    if as_json:
        print(json.dumps(state))
    else:
        _out.print(_table(state))
        _out.print(f"state: {state['state']}" + (f" ({_escape(state['error'])})" if state["error"] else ""))
        if found := state["airflow"]:
            text = f"Airflow: {found['url']}, user {found['user']}, password in {_escape(found['password_file'])}"
            _out.print(text, highlight=False, soft_wrap=True)
    parts = [*state["parts"].values(), *(p for s in state["sites"].values() for p in s["parts"].values())]
    if any(part["state"] == "died" for part in parts):
        raise typer.Exit(1)


#: The lab's own files in its home. Only they are removed: the folder may hold other files.
_OWN = (
    *lab_config.SITES,
    *("airflow", "journal", "logs", "run"),
    *("lab.json", "links.json", "faults.json", "load.json", "configuration.json", "connections.json", "reports.json"),
    *("topology.yaml", "operator_key", "operator_key.pub", "configuration.lock", "lab.lock", "reports.lock", "*.new"),
)


def _destroy(home: Path | None, as_json: bool) -> None:
    config = _load(home, as_json)
    if supervisor.is_running(config):
        _fail("the lab is running; `down` stops it first", as_json)
    for path in [path for pattern in _OWN for path in config.home.glob(pattern)]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    left = list(config.home.iterdir())
    if not left:
        config.home.rmdir()
    text = f"{config.home} removed" if not left else f"{config.home} has only {', '.join(p.name for p in left)} left"
    _print({"home": str(config.home), "left": [path.name for path in left]}, as_json, text)


@app.command()
def destroy(home: _Home = None, as_json: _Json = False) -> None:
    """Remove the lab's folder with all its data; refused while the lab runs."""
    _destroy(home, as_json)


@app.command()
def reset(home: _Home = None, as_json: _Json = False) -> None:
    """The same as destroy; the next ``up`` makes a new lab."""
    _destroy(home, as_json)


# -- sites and parts ------------------------------------------------------------------------------


@app.command()
def fail(site: str, home: _Home = None, as_json: _Json = False) -> None:
    """Lose a site: kill all its processes at once; its data stays."""
    config = _load(home, as_json)
    result = _ask(config, as_json, "fail", site=_site(config, site, as_json))
    _print(result, as_json, f"{site} has failed")


@app.command()
def heal(site: str, home: _Home = None, as_json: _Json = False) -> None:
    """Start a failed or absent site with the data it has; its Info Mart Server stays stopped."""
    config = _load(home, as_json)
    result = _ask(config, as_json, "heal", site=_site(config, site, as_json))
    _print(result, as_json, f"{site} is up")


@app.command()
def part(
    action: Annotated[str, typer.Argument(help="start, stop or kill")],
    name: str,
    site: Annotated[str | None, typer.Argument()] = None,
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Start, stop or kill one part, as ``part kill goldengate site2``."""
    config = _load(home, as_json)
    if action not in {"start", "stop", "kill"}:
        _fail(f"start, stop or kill, not {action!r}", as_json, 2)
    result = _ask(config, as_json, action, part=name, site=site and _site(config, site, as_json))
    _print(result, as_json, f"{name}: {result['state']}")


def _given_roles(config: LabConfig, given: list[str], as_json: bool) -> dict[str, Role]:
    """Roles by site from ``site=role`` words; a wrong word ends the program."""
    found: dict[str, Role] = {}
    for word in given:
        site, _, role = word.partition("=")
        _site(config, site, as_json)
        if role not in get_args(Role):
            _fail(f"a role reads <site>=<{'|'.join(get_args(Role))}>, not {word!r}", as_json, 2)
        found[site] = role  # type: ignore[assignment]
    return found


@app.command()
def roles(
    given: Annotated[list[str] | None, typer.Argument(help="As site1=failed site2=active; none: show them.")] = None,
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Show or set the sites' roles in the topology file, as an administrator does after a run."""
    config = _load(home, as_json)
    if changes := _given_roles(config, given or [], as_json):
        asked = replace(config, roles={**config.roles, **changes})
        active = [site for site, role in topology.roles(asked).items() if role == "active"]
        if not active or (len(active) > 1 and config.architecture == "active-standby"):
            wanted = "one site is" if config.architecture == "active-standby" else "at least one site is"
            _fail(f"{wanted} active, not {', '.join(active) or 'none'}", as_json, 2)
        # Before any other change: when the topology file cannot be changed, the roles stay as they were.
        host.prepare_keys(asked)
        try:
            topology.set_roles(asked)
        except ValueError as error:
            _fail(f"{error}; the next `up` writes a new file", as_json)
        config = lab_config.change(config.home, lambda stored: stored.roles.update(changes))
    now = topology.roles(config)
    _print(now, as_json, "\n".join(f"{site}: {role}" for site, role in now.items()))


@app.command()
def behind(
    site: str,
    version: Annotated[str, typer.Argument(help="Release of the schema.")] = "8.1.3",
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Make a site's schema older than its server, which is then in the migration state."""
    config = _load(home, as_json)
    try:
        site_setup.behind(config, _site(config, site, as_json), version)
    except psycopg.Error as error:
        _fail(f"the Info Mart of {site} cannot be changed: {' '.join(str(error).split())}", as_json)
    _print({"site": site, "schema_version": version}, as_json, f"the schema of {site} has release {version}")


# -- links ----------------------------------------------------------------------------------------


def _change_link(config: LabConfig, first: str, second: str, as_json: bool, **settings: Any) -> None:
    try:
        state = lab_links.change(config, first, second, **settings)
    except ValueError as error:
        _fail(str(error), as_json, 2)
    result = {"link": lab_links.pair(first, second), **state.model_dump()}
    words = ", ".join(f"{key} {value}" for key, value in result.items() if key != "link")
    _print(result, as_json, f"{result['link']}: {words}")


@app.command()
def cut(
    first: str,
    second: str,
    mode: Annotated[str, typer.Option(help="drop: everything hangs; reset: connections are aborted.")] = "drop",
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Cut the link between two sites."""
    _change_link(_load(home, as_json), first, second, as_json, cut=True, mode=mode)


@app.command()
def throttle(
    first: str,
    second: str,
    rate: Annotated[str | None, typer.Option(help="Bytes a second each way, as 500000 or 500000/s; off.")] = None,
    delay: Annotated[int | None, typer.Option(min=0, help="Milliseconds added each way.")] = None,
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Limit or delay the link between two sites."""
    settings: dict[str, Any] = {}
    if rate is not None:
        number = rate.removesuffix("/s")
        if number != "off" and not number.isdecimal():
            _fail(f"--rate is a number of bytes a second or off, not {rate!r}", as_json, 2)
        settings["rate"] = None if number == "off" else int(number)
    if delay is not None:
        settings["delay_ms"] = delay
    if not settings:
        _fail("--rate or --delay is needed", as_json, 2)
    _change_link(_load(home, as_json), first, second, as_json, **settings)


@app.command("heal-link")
def heal_link(first: str, second: str, home: _Home = None, as_json: _Json = False) -> None:
    """Take every limit off the link between two sites."""
    _change_link(_load(home, as_json), first, second, as_json, **lab_links.LinkState().model_dump())


# -- calls, faults, audit -------------------------------------------------------------------------


@app.command()
def load(
    rate: Annotated[float | None, typer.Argument(min=0.0, help="Calls a second; without it the rate is shown.")] = None,
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Show or set the calls a second."""
    config = _load(home, as_json)
    if rate is not None:
        icon.set_load(config, rate)
    now = icon.get_load(config)
    _print({"rate": now}, as_json, f"{now} calls a second")


@app.command()
def fault(
    name: Annotated[str, typer.Argument(help="<site>.<program>.<what>, as site3.impdp.fail_index")],
    value: Annotated[str, typer.Argument(help="JSON or plain text; off switches it off.")] = "true",
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Switch a fault of a stand-in on or off."""
    config = _load(home, as_json)
    decoded: object | None
    try:
        decoded = json.loads(value)
    except ValueError:
        decoded = value
    if value == "off" or decoded is False:
        decoded = None
    try:
        lab_config.set_fault(config, name, decoded)
    except ValueError as error:
        _fail(str(error), as_json, 2)
    _print({"fault": name, "value": decoded}, as_json, f"{name}: {'off' if decoded is None else decoded}")


@app.command()
def sql(
    connection: Annotated[str, typer.Argument(help="A connection of the lab's topology, as oracle_site2_idb.")],
    statement: Annotated[str, typer.Argument(help="One statement in Oracle's words.")],
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Run one statement at a database of the lab, with the procedures' driver and user."""
    # Heavy, and no other verb needs it.
    import oracledb

    config = _load(home, as_json)
    if not supervisor.is_running(config):
        _fail(f"the lab under {config.home} is not running; `up` starts it", as_json)
    known = {name: each for name, each in topology.connections(config).items() if each["conn_type"] == "oracle"}
    if (chosen := known.get(connection)) is None:
        _fail(f"unknown connection {connection!r}; there are {', '.join(known)}", as_json, 2)
    try:
        with oracledb.connect(
            user=chosen["login"],
            password=chosen["password"],
            host=chosen["host"],
            port=chosen["port"],
            service_name=json.loads(chosen["extra"])["service_name"],
            tcp_connect_timeout=10,
        ) as session:
            cursor = session.cursor()
            cursor.execute(statement.strip().removesuffix(";"))
            names = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchall() if names else []
            changed = cursor.rowcount
            session.commit()
    except oracledb.Error as error:
        _fail(str(error).splitlines()[0], as_json)
    if not names:
        _print({"rows_changed": changed}, as_json, f"{changed} rows changed")
        return
    if as_json:
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str))
        return
    table = Table(*names, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else _escape(value) for value in row))
    # A row is one line, also where the window is narrower.
    Console(width=100_000).print(table)
    _out.print(f"{len(rows)} rows", highlight=False)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
def airflow(context: typer.Context) -> None:
    """Airflow's own command line for the lab's Airflow, as ``airflow dags list``; the lab is $INFOMART_LAB_HOME."""
    config = _load(None, False)
    if not (airflow_part.home(config) / "airflow.db").exists():
        _fail(f"the lab under {config.home} has no Airflow; `up --airflow` starts one", False)
    words = [sys.executable, "-m", "airflow", *context.args]
    os.execve(sys.executable, words, os.environ | airflow_part.environment(config))


def is_clean(result: dict[str, Any]) -> bool:
    """True when an audit of one site was possible and found nothing missing, duplicated or extra."""
    return not any(result.get(name) for name in ("missing", "duplicated", "extra", "error"))


@app.command()
def audit(
    site: Annotated[str | None, typer.Argument()] = None,
    everything: Annotated[bool, typer.Option("--all", help="All sites that are present.")] = False,
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait until nothing is missing or pending.")] = 0.0,
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Compare the journals of committed calls with INTERACTION_FACT; exit code 1 when not clean."""
    config = _load(home, as_json)
    if site is not None and everything:
        _fail("a site or --all, not both", as_json, 2)
    chosen = [_site(config, site, as_json)] if site else [n for n, s in config.sites.items() if s.present]

    def one(name: str) -> AuditResult | AuditError:
        try:
            return judge(config, name, wait=wait)
        except AuditError as error:
            return error

    with ThreadPoolExecutor() as pool:
        found = dict(zip(chosen, pool.map(one, chosen), strict=True))
    results: dict[str, dict[str, Any]] = {
        name: {"error": str(result)} if isinstance(result, AuditError) else result.model_dump(mode="json")
        for name, result in found.items()
    }
    clean = all(is_clean(result) for result in results.values())
    if as_json:
        print(json.dumps(results, default=str))
    else:
        shown = ("missing", "duplicated", "extra", "pending", "calls_written", "in_database")
        columns = [name for name in shown if any(name in result for result in results.values())]
        table = Table("site", *columns, box=None, pad_edge=False)
        for name, result in results.items():
            table.add_row(name, *(str(result.get(column, "-")) for column in columns))
        _out.print(table)
        for result in results.values():
            if "error" in result:
                _out.print(_escape(result["error"]), highlight=False, soft_wrap=True)
        _out.print("[green]clean[/green]" if clean else "[red]not clean[/red]")
    sys.stdout.flush()
    if not clean:
        raise typer.Exit(1)
