"""Everything in the product that reads a text that another program, person or host has written."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from tests.fuzz.mutations import samples_of

from infomart_dr import times
from infomart_dr.evidence import undelivered, watch_store
from infomart_dr.evidence.loss import Earlier
from infomart_dr.evidence.manifest import Manifest
from infomart_dr.guards import fencing, loss_reading
from infomart_dr.hooks import (
    gax,
    goldengate_parameters,
    management_layer,
    manager_parameters,
    parse_data_pump,
    parse_ggsci,
    purge_jobs,
    raa,
    remote_host,
    remote_job,
    transfer,
)
from infomart_dr.hooks.configuration import Change, differences
from infomart_dr.hooks.tickets import Message
from infomart_dr.operators.purge_holds import read_request
from infomart_dr.plan import facts, parameters
from infomart_dr.readiness import clocks_and_releases
from infomart_dr.topology import parse as parse_topology

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
ENDPOINTS = [fencing.Endpoint("SSH", "db1", 22), fencing.Endpoint("listener", "db1", 1521)]


class Target(NamedTuple):
    """Readers of one kind of text, and real samples of it.

    :param read: called with a text; returns, or raises an error of the product.
    """

    samples: tuple[str, ...]
    read: Callable[[str], object]


def each(*readers: Callable[[str], object]) -> Callable[[str], list[object]]:
    return lambda text: [reader(text) for reader in readers]


def data_pump_log(text: str) -> object:
    found: list[object] = []
    for operation in ("export", "import"):
        for code in (None, 0, 1, 5):
            report = parse_data_pump.classify_log(text, operation, code)  # type: ignore[arg-type]
            found += [report.worst, report.not_found, report.missing_indexes, parse_data_pump.next_step(report)]
    waits = parse_data_pump.space_wait(text.splitlines())
    return [*found, waits, parse_data_pump.progress_line(text), parse_data_pump.percent_done(text)]


def ggserr(text: str) -> object:
    return parse_ggsci.parse_ggserr(parse_ggsci.log_text(text.encode("utf-8", "surrogatepass")))


def earlier(text: str) -> object:
    return Earlier.parse(text)


def stored_rows(text: str) -> object:
    """Rows of DR_LEDGER with what watching and tickets keep there."""
    rows = [{"name": f"part {number:03d}", "value": piece} for number, piece in enumerate(text.split("\n"))]
    rows += [{"name": "head k", "value": text}, {"name": "part k 000", "value": text}]
    session: Any = SimpleNamespace(select=lambda *_, **__: rows)
    return watch_store.WatchStore("GGATE", "lab").read(session), undelivered.UndeliveredStore("GGATE", "lab").read(
        session
    )


def every_fact(text: str) -> object:
    found: list[object] = []
    for fact in facts.declared():
        kind: Any = getattr(fact, "kind", fact)
        found.append(kind.shown(text))
        try:
            found.append(kind.read(text))
        except facts.UnexpectedReplyError as error:
            found.append(error)
    return found


def crontab(text: str) -> object:
    """A hold and its release leave every byte of a crontab as it was."""
    data, line = text.encode("utf-8", "surrogatepass"), "0 3 * * * /opt/icon/purge.sh"
    lines, held = purge_jobs.crontab_counts(data, line)
    after = purge_jobs.crontab_released(purge_jobs.crontab_held(data, line), line)
    if lines == 1 and not held:
        assert after == data
    return after


def gax_object(text: str) -> object:
    document = read_json(text)
    application = gax.from_gax(document)
    change = Change(host="h", connect=["A"], disconnect=["B"], options={"schedule": {"x": "y"}}, enabled=True)
    return gax.to_gax(application, change), differences(application, change)


def read_json(text: str) -> object:
    """What httpx makes of a body; its errors are those of the hook."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def topology(text: str) -> object:
    return parse_topology(text, Path("lab.yaml"))


def form(text: str) -> object:
    """Parameters of runs: each key and value may be anything that JSON can carry."""
    document = read_json(text)
    given = document if isinstance(document, dict) else {"reason": text, "which": text, "hold": text, "ends_at": text}
    found: list[object] = [parameters.undeclared(given, ["source", "target"]), parameters.missing(given, ["plan"])]
    for name in ("failure_time", "begins_at"):
        try:
            found.append(times.moment(name, text))
        except times.RequestError as error:
            found.append(error)
    known = {"action": "place", **given}
    return [*found, read_request(known, "run-1", NOW, NOW)]


def ticket(text: str) -> object:
    try:
        return Message.model_validate_json(text)
    except ValueError:
        # Undelivered messages are read so.
        return None


def checksums(text: str) -> object:
    return [transfer.parse_checksums(text), transfer.progress_line(remote_host.parse_sizes(text), {"a": 5})]


def hosts_replies(text: str) -> object:
    found: list[object] = [remote_host.parse_listed(text), remote_host.parse_sizes(text), remote_host.tail(text)]
    found.append(remote_host.after_mark(text.encode("utf-8", "surrogatepass"), "mark"))
    found.append(remote_job.decode_log(text.encode("utf-8", "surrogatepass")))
    return found


GGSCI = samples_of(
    "tests/unit/hooks/test_ggsci.py", "tests/unit/hooks/test_ggsci_variants.py", "tests/unit/hooks/gg_sample.py"
)
DATA_PUMP = samples_of("tests/unit/hooks/test_data_pump.py", "tests/unit/hooks/test_data_pump_variants.py")
TOPOLOGIES = samples_of("docs/examples/topology.yaml")
PARAMETER_FILES = samples_of("tests/unit/hooks/test_manager_parameters.py", "tests/unit/hooks/gg_sample.py")
REQUESTS = (
    '{"source": "site1", "target": "site2", "reason": "INC1", "ends_at": "2026-11-03T05:00:00Z"}',
    '{"action": "extend", "which": "ts1", "hold": "plan x", "until_site_passes": "site1", "until_time": "2026-11-03"}',
    "2026-11-02T17:00:00Z",
    "2026-11-02 17:00:00+23:59",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
)

TARGETS: dict[str, Target] = {
    "ggsci, group": Target(
        GGSCI,
        each(
            parse_ggsci.parse_info_all, parse_ggsci.parse_info_group, parse_ggsci.parse_showch, parse_ggsci.parse_scn,
            parse_ggsci.parse_trails, parse_ggsci.parse_manager, parse_ggsci.parse_replicat_state,
        ),
    ),
    "ggsci, report": Target(
        GGSCI,
        each(
            parse_ggsci.parse_starts, parse_ggsci.parse_lag, parse_ggsci.parse_stats, parse_ggsci.is_cut_record,
            lambda text: parse_ggsci.has_started(text, text[:20]),
        ),
    ),
    "ggsci, reply": Target(
        GGSCI,
        each(
            parse_ggsci.replies, parse_ggsci.container, parse_ggsci.parse_release, parse_ggsci.error_lines,
            parse_ggsci.codes, parse_ggsci.is_logged_in, parse_ggsci.is_missing, parse_ggsci.is_present_already,
            parse_ggsci.duration, parse_ggsci.parse_prompt_user, parse_ggsci.parse_added, parse_ggsci.parse_registered,
            parse_ggsci.is_registered,
        ),
    ),
    "ggsci, supplemental logging": Target(GGSCI, parse_ggsci.parse_trandata),
    "ggserr.log": Target(GGSCI, ggserr),
    "manager's parameters": Target(PARAMETER_FILES, manager_parameters.parse_manager_parameters),
    "parameter file": Target(
        PARAMETER_FILES,
        each(
            goldengate_parameters.statements, goldengate_parameters.is_own,
            lambda text: goldengate_parameters.merge_globals(text, "GGSCHEMA GGATE\n", "GLOBALS"),
            goldengate_parameters.one_transaction_at_a_time,
        ),
    ),
    "Data Pump, log": Target(DATA_PUMP, data_pump_log),
    "Data Pump, status": Target(DATA_PUMP, parse_data_pump.parse_status),
    "mlcmd": Target(samples_of("tests/unit/hooks/test_management_layer.py"), management_layer.parse_status),
    "job's folder": Target(
        ("state=claimed\npid=7\nbegun=1\nnow=9\nended=8\nexit_code=0\nalive=group\nlog_size=5\n", "state=absent\n"),
        remote_job.parse_status,
    ),
    "host's reply": Target(samples_of("tests/unit/hooks/test_remote_host.py"), hosts_replies),
    "free space": Target(samples_of("tests/unit/hooks/test_remote_host.py"), remote_host.parse_free_space),
    "checksums": Target(samples_of("tests/unit/hooks/test_transfer.py"), checksums),
    "seconds": Target(("1796059398\n", "999999999"), clocks_and_releases.parse_seconds),
    "endpoints": Target(
        ("0 refused\n1 silent\n", "0 answers\n1 open\n0 unknown: 1 x"),
        lambda text: fencing.parse_probe(text, ENDPOINTS, "db2"),
    ),
    "crontab": Target(
        (
            "# m h\nMAILTO=\"\"\n0 3 * * * /opt/icon/purge.sh\n",
            f"{purge_jobs.CRON_MARK}0 3 * * * /opt/icon/purge.sh\n1 1 * * * x",
        ),
        crontab,
    ),
    "java's release": Target(
        ('openjdk version "17.0.1" 2021-10-19', 'java version "1.8.0_291"\nJava(TM) SE'), raa.java_release
    ),
    "manifest": Target(("",), Manifest.from_text),
    "loss estimate": Target(
        ('{"moment": "before", "low": 1, "high": null, "sources": [[1, "a", 2, 3]], "failure": [1, 2]}',), earlier
    ),
    "loss, marks": Target(
        ('{"proof": "p", "base": 5, "newest": null, "sign": 9, "other": {"1": 2}, "sources": {"101": [1, 2]}}',),
        lambda text: loss_reading.Base.from_text(text, "p"),
    ),
    "facts": Target(("1796059398", "yes", '{"file": "ggserr.log", "bytes": 9}', "site2 -> site3"), every_fact),
    "stored state": Target(('{"number": 7, "at": 1.5, "conditions": {}}', '{"kept": 1.0, "taken": 0.0}'), stored_rows),
    "GAX": Target((), gax_object),
    "topology": Target(TOPOLOGIES, topology),
    "form": Target(REQUESTS, form),
    "ticket message": Target((), ticket),
}  # fmt: skip


def _complete() -> None:
    """Samples that are made: a manifest, an Application object, a message."""
    from tests.unit.evidence.test_manifest import VALUES

    made = Manifest.model_validate(VALUES)
    TARGETS["manifest"] = TARGETS["manifest"]._replace(samples=(made.to_text(), json.dumps(VALUES)))
    application = {
        "name": "GIM", "dbid": 101, "type": "CFGGIMServer", "state": 1, "host": "h", "commandline": "x",
        "connections": ["A", "B"], "options": {"schedule": {"run-scheduler": "true"}}, "version": 3,
    }  # fmt: skip
    TARGETS["GAX"] = TARGETS["GAX"]._replace(samples=(json.dumps(application),))
    message = {
        "key": "k", "event": "failed", "ticket": "INC1", "deployment": "lab", "dag_id": "d", "run_id": "r",
        "plan": "p", "requested_by": "anna", "link": "http://x/", "at": "2026-11-02T10:00:00+00:00", "text": "t",
    }  # fmt: skip
    TARGETS["ticket message"] = TARGETS["ticket message"]._replace(samples=(json.dumps(message),))


_complete()
