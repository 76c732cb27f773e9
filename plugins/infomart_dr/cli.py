"""``infomart-dr``: preparation before Airflow runs. Nothing here opens a connection or reads Airflow's database.

Exit codes: 0 success; 1 a file, a topology or a value in it is wrong; 2 the command line is wrong.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infomart_dr.dagfiles import dags_folder, load_dags, quiet_airflow
from infomart_dr.errors import InfoMartError, TopologyError
from infomart_dr.preparation import connections as module
from infomart_dr.preparation import parameter_files
from infomart_dr.preparation.check import check, files_of
from infomart_dr.preparation.outline import outline
from infomart_dr.topology import PATH_VARIABLE, Topology, read

WRONG, USAGE = 1, 2

app = typer.Typer(
    help="Disaster recovery of a Genesys Info Mart: preparation before Airflow runs.",
    epilog="Exit codes: 0 success; 1 a file, a topology or a value in it is wrong; 2 the command line is wrong.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_Path = Annotated[
    Path | None,
    typer.Argument(
        metavar="[TOPOLOGY]",
        help=f"Topology file, or a folder of <deployment>.yaml files; default: ${PATH_VARIABLE}.",
        show_default=False,
    ),
]
_File = Annotated[
    Path | None,
    typer.Option(
        "--topology",
        help=f"Topology file, or a folder of <deployment>.yaml files; default: ${PATH_VARIABLE}.",
        show_default=False,
    ),
]
_Deployment = Annotated[
    str, typer.Option("--deployment", help="Name of the deployment, when the folder holds several.", show_default=False)
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


# -- helpers ---------------------------------------------------------------------------------------


def _console(*, stderr: bool = False) -> Console:
    # A new console each time: a test or a pipe may have replaced the standard streams.
    return Console(stderr=stderr, soft_wrap=True, highlight=False)


def _say(text: str = "") -> None:
    """Print text unchanged: it may be a parameter file or a line for a shell."""
    typer.echo(text)


def _print_json(value: Any) -> None:
    _say(json.dumps(value, indent=1, default=str))


def _fail(what: str, code: int, *, as_json: bool, next_step: str = "") -> NoReturn:
    if as_json:
        _print_json({"error": what, "next": next_step})
    else:
        _console(stderr=True).print(f"[red]error:[/red] {escape(what)}")
        if next_step:
            _console(stderr=True).print(f"Next: {escape(next_step)}")
    raise typer.Exit(code)


@contextmanager
def _typed_errors(as_json: bool) -> Iterator[None]:
    """Turn the typed errors of the package into a message and an exit code."""
    try:
        yield
    except InfoMartError as error:
        _fail(error.what, WRONG, as_json=as_json, next_step=error.next_step)


def _path(path: Path | None, as_json: bool) -> Path:
    found = path or (Path(os.environ[PATH_VARIABLE]) if os.environ.get(PATH_VARIABLE) else None)
    if found is None:
        _fail(
            "The topology is missing.",
            USAGE,
            as_json=as_json,
            next_step=f"Give a topology file, or set {PATH_VARIABLE}.",
        )
    if not found.exists():
        next_step = f"Give a topology file, or a folder of them ({'argument' if path else PATH_VARIABLE})."
        _fail(f"{found} does not exist.", USAGE, as_json=as_json, next_step=next_step)
    return found


def _topology(path: Path | None, deployment: str, as_json: bool) -> Topology:
    """The topology that the options select.

    :raises TopologyError: the topology is wrong.
    """
    files = files_of(_path(path, as_json))
    chosen = [file for file in files if not deployment or len(files) == 1 or file.stem == deployment]
    if len(chosen) != 1:
        names = ", ".join(file.stem for file in files)
        _fail(f"There are {len(files)} deployments: {names}.", USAGE, as_json=as_json, next_step="Give --deployment.")
    topology = read(chosen[0])
    if deployment and topology.name != deployment:
        raise TopologyError(
            f"{chosen[0]}: deployment: found {topology.name!r}; allowed: {deployment!r}, as --deployment says.",
            "Correct the file or the option.",
        )
    return topology


# -- validate --------------------------------------------------------------------------------------


@app.command()
def validate(topology: _Path = None, as_json: _Json = False) -> None:
    """Check a topology file, or every file of a folder, and report every mistake."""
    with _typed_errors(as_json):
        checked = check(_path(topology, as_json))
    mistakes = sum(len(each.mistakes) for each in checked)
    if as_json:
        files = [
            {"file": str(each.file), "deployment": each.deployment, "mistakes": list(each.mistakes)} for each in checked
        ]
        _print_json({"valid": not mistakes, "files": files})
    else:
        for each in checked:
            for mistake in each.mistakes:
                _say(mistake)
            if not each.mistakes:
                _say(f"{each.file}: {each.deployment}: valid")
        if mistakes:
            wrong = sum(1 for each in checked if each.mistakes)
            _say(f"{mistakes} mistake(s) in {wrong} of {len(checked)} file(s); docs/topology.md describes each field.")
    raise typer.Exit(WRONG if mistakes else 0)


# -- render ----------------------------------------------------------------------------------------


@app.command()
def render(
    topology: _Path = None,
    deployment: _Deployment = "",
    source: Annotated[str, typer.Option(help="Site that holds the data; default: the active one.")] = "",
    target: Annotated[
        str, typer.Option(help="Site that receives the data; default: the only new or standby one.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the files, one folder per site; default: print them.", show_default=False),
    ] = None,
    plan: Annotated[str, typer.Option(help="Run id of a plan; jobs and the folder are named after it.")] = "",
    scn: Annotated[
        int | None, typer.Option(help="FLASHBACK_SCN of expdp; without it that file is omitted.", min=1)
    ] = None,
    dump_file: Annotated[
        list[str] | None, typer.Option(help="Dump file of impdp, may be repeated; without it that file is omitted.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Render the parameter files of Extract, pump, Replicat, GLOBALS, expdp and impdp, as a plan would write them.

    No database is needed. Two values exist only once a plan runs: the SCN, which the plan reads from the source's
    database, and the names of the dump files, which are in the manifest. Files that need them are omitted and listed.
    """
    with _typed_errors(as_json):
        pair = _topology(topology, deployment, as_json).pair(source or None, target or None)
        plan_id = parameter_files.check_plan_id(plan)
        rendered = parameter_files.render(pair, plan_id=plan_id, scn=scn, dump_files=dump_file or ())
    written = []
    for file in rendered.files:
        if out is not None:
            path = out / file.local
            path.parent.mkdir(parents=True, exist_ok=True)
            # The files of a GoldenGate before 12c contain an encrypted password.
            path.touch(mode=0o600)
            path.write_text(file.text, encoding="utf-8")
            written.append(path)
    if as_json:
        files = [
            {"site": file.site, "path": file.path, "note": file.note, **({} if out else {"text": file.text})}
            for file in rendered.files
        ]
        for entry, path in zip(files, written, strict=False):
            entry["written"] = str(path)
        _print_json({"source": pair.source, "target": pair.target, "files": files, "left_out": rendered.missing})
        return
    for index, file in enumerate(rendered.files):
        note = f"  ({file.note})" if file.note else ""
        if out is not None:
            _say(f"{written[index]}: {file.path} at {file.site}{note}")
        else:
            _say(f"=== {file.site}: {file.path}{note}\n{file.text}")
    for missing in rendered.missing:
        _console(stderr=True).print(f"omitted: {escape(missing)}")


# -- connections -----------------------------------------------------------------------------------


class Form(StrEnum):
    """How connections are printed."""

    text = "text"
    env = "env"
    file = "file"


@app.command()
def connections(
    topology: _Path = None,
    deployment: _Deployment = "",
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="text: a commented list; env: AIRFLOW_CONN_ lines; file: JSON for 'airflow connections import' and "
            "the local file backend. The last two have placeholders in <>.",
        ),
    ] = Form.text,
    into: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file in the form of --format file: missing connections are added, existing ones stay.",
            show_default=False,
        ),
    ] = None,
    as_json: _Json = False,
) -> None:
    """List every Airflow connection that a topology needs, and the privileges of its account."""
    with _typed_errors(as_json):
        found = module.needed(_topology(topology, deployment, as_json))
    if into is not None:
        _add_connections(into, module.import_file(found), as_json)
    elif as_json:
        _print_json({"connections": [each.as_dict() for each in found]})
    elif form is Form.env:
        _say("\n".join(module.environment_lines(found)))
    elif form is Form.file:
        _print_json(module.import_file(found))
    else:
        for each in found:
            _say(f"{each.id}  ({each.type})")
            _say(f"  for       {each.what}")
            where = f"{each.address or 'not in the topology'}{f', port {each.port}' if each.port else ''}"
            _say(f"  where     {where}")
            _say(f"  login     {each.login or 'yours'}{'' if each.password else ', with a key'}")
            if each.extra:
                _say(f"  extra     {json.dumps(each.extra)}")
            for privilege in each.privileges:
                of = f"  [{', '.join(privilege.statements)}]" if privilege.statements else ""
                _say(f"  may       {privilege.what}{of}")
            for remark in each.remarks:
                _say(f"  note      {remark}")
            _say(f"  named by  {', '.join(each.fields)}\n")
        _say(f"{len(found)} connections. In brackets: the files of include/sql that need the privilege.")


def _add_connections(file: Path, wanted: dict[str, Any], as_json: bool) -> None:
    """Add connections to a file with or without entries. It is replaced atomically, readable by its owner only."""
    try:
        text = file.read_text() if file.exists() else ""
        there = json.loads(text) if text.strip() else {}
        if not isinstance(there, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError) as error:
        _fail(f"{file} cannot be read: {error}.", WRONG, as_json=as_json, next_step="Correct it, or give another file.")
    merged, added = module.filled(there, wanted)
    temporary = file.with_name(f".{file.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600, exist_ok=False)
        temporary.write_text(json.dumps(merged, indent=1) + "\n")
        temporary.replace(file)
    except OSError as error:
        _fail(f"{file} cannot be written: {error}.", WRONG, as_json=as_json)
    others = sorted(set(there) - set(wanted))
    if as_json:
        _print_json({"added": added, "kept": sorted(set(there) & set(wanted)), "others": others})
        return
    _say(f"{file}: {len(added)} added{': ' if added else ''}{', '.join(added)}; {len(there)} unchanged")
    if others:
        _say(f"not named by this topology: {', '.join(others)}")


# -- outline ---------------------------------------------------------------------------------------


def _given(settings: list[str], as_json: bool) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            _fail(f"--set {setting!r} has no '='.", USAGE, as_json=as_json, next_step="Give --set name=value.")
        try:
            given[name] = json.loads(value)
        except ValueError:
            given[name] = value
    return given


_WHO = {"program": "", "person": "person", "decision": "person decides", "open": "person, if needed"}


@app.command("outline")
def print_outline(
    procedure: Annotated[
        str | None,
        typer.Argument(help="Id of the DAG, with or without infomart_; default: list the procedures."),
    ] = None,
    topology: _File = None,
    deployment: _Deployment = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Parameter of the run, as name=value; may be repeated.")
    ] = None,
    dags: Annotated[
        Path | None, typer.Option(help="Folder of the DAG files; default: those of this package.", show_default=False)
    ] = None,
    as_json: _Json = False,
) -> None:
    """Print the chapters and tasks of a procedure in the order of its DAG file.

    With a topology it also marks the tasks that do not apply and those that a person does, as far as this is known
    without a connection. A question mark means: only the run can decide.
    """
    with _typed_errors(as_json), quiet_airflow():
        asked = topology is not None or bool(os.environ.get(PATH_VARIABLE)) or bool(deployment)
        known = _topology(topology, deployment, as_json) if asked and procedure else None
        folder = dags or dags_folder()
        own = [folder / f"{name}.py" for name in (procedure, f"infomart_{procedure}")]
        # Reading one file is much faster than reading all. What Airflow and the files print is not part of the result.
        with redirect_stdout(sys.stderr):
            found = load_dags(next((file for file in own if file.is_file()), folder))
        if procedure is None:
            _list(found, as_json)
            return
        dag = found.get(procedure) or found.get(f"infomart_{procedure}")
        if dag is None:
            names = ", ".join(sorted(found))
            _fail(f"There is no procedure {procedure!r}.", USAGE, as_json=as_json, next_step=f"Give one of: {names}.")

        made = outline(dag, known, _given(settings or [], as_json))
    if as_json:
        _print_json(made.as_dict())
        return
    where = f" in {made.deployment}: {made.source}" + (f" -> {made.target}" if made.target else "")
    _say(f"{made.dag_id}{where if made.deployment else ''}\n{made.description}\n")
    number = 0
    for chapter in made.chapters:
        _say(f"{chapter.name}{f'  --  {chapter.title}' if chapter.title else ''}")
        for task in chapter.tasks:
            number += 1
            name = task.task_id.rpartition(".")[2]
            marks = [_WHO[task.who] if known or task.who == "decision" else ""]
            marks += ["always runs at the end" if task.at_the_end else ""]
            marks += ["?" if known and task.applies is None else ""]
            shown = ", ".join(mark for mark in marks if mark)
            site = f"  [{task.site}]" if task.site != "no" else ""
            _say(f"  {number:3}  {name}{site}{f'  ({shown})' if shown else ''}")
            if task.applies is False:
                _say(f"       does not apply: {task.why_not}")
                continue
            _say(f"       {task.title}")
            if task.guide:
                _say(f"       guide:   {task.guide}")
            if task.changes != "nothing":
                _say(f"       changes: {task.changes}")
                _say(f"       undo:    {task.undo}")
        _say()


def _list(dags: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json({"procedures": [{"dag_id": name, "description": dags[name].description} for name in sorted(dags)]})
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name in sorted(dags):
        table.add_row(name, dags[name].description or "")
    _console().print(table)


def main() -> None:
    """Entry point of ``infomart-dr`` and ``python -m infomart_dr``."""
    app(prog_name="infomart-dr")
