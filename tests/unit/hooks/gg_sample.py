"""A topology and a host that answers from a list, for the tests of the GoldenGate and Data Pump hooks."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infomart_dr import topology
from infomart_dr.hooks.remote_job import JobStatus

#: GoldenGate of a site whose Extract captures from the root of a CDB.
FROM_ROOT = {"capture_login": {"alias": "cggalias"}}


def make_topology(
    info_mart: str = "8.1.4",
    unlike: Mapping[str, Mapping[str, Any]] | None = None,
    databases: Mapping[str, Mapping[str, Any]] | None = None,
    **goldengate: Any,
) -> topology.Topology:
    """Three sites; ``goldengate`` overrides fields of every site's GoldenGate, ``unlike`` those of single sites.

    :param databases: fields of single sites' databases.
    """
    sites: dict[str, Any] = {}
    hosts: dict[str, Any] = {}
    for number, role in ((1, "failed"), (2, "active"), (3, "new")):
        name = f"site{number}"
        others = [f"site{n}" for n in (1, 2, 3) if n != number]
        hosts[f"db{number}"] = {
            "ssh_connection": f"{name}_db_ssh",
            "seen_from": {
                other: {"address": f"db{number}.example.com", "manager_port": 7800 + number}
                for other in others
                if not (name == "site1" and other == "site3")
            },
        }
        sites[name] = {
            "role": role,
            "database": {
                "host": f"db{number}",
                "service": f"GIM{number}",
                "dba_connection": f"{name}_dba",
                "info_mart_connection": f"{name}_gim",
                "goldengate_connection": f"{name}_gg",
                "oracle_home": "/u01/oracle",
                "environment": {"TNS_ADMIN": "/u01/network"},
                **(databases or {}).get(name, {}),
            },
            "goldengate": {
                "home": "/u01/ogg",
                "login": {"alias": "ggalias"},
                "trails": {"local": "./dirdat/em", "remote": {other: f"./dirdat/d{other[-1]}" for other in others}},
                **goldengate,
                **(unlike or {}).get(name, {}),
            },
            "info_mart_server": {
                "host": f"db{number}",
                "host_object": "host",
                "root": "/opt/gim",
                "command_line": "-host x",
                "dap": f"dap{number}",
                "log_file": "/opt/gim/gim.log",
            },
            "management_layer": {
                "host": f"db{number}",
                "configuration_server": "cfg.example.com",
                "connection": "cfg",
            },
        }
    document = {
        "deployment": "contact",
        "info_mart": {"release": info_mart, "application_dbid": 101},
        "hosts": hosts,
        "sites": sites,
    }
    return topology.parse(yaml.safe_dump(document), Path("topology.yaml"))


#: Login of GoldenGate releases without a credential store.
ENCRYPTED = {"user": "GGATE", "encrypted_password": "AACAAAAAAAAAAAKAPATACEHBIGQGCFZC"}


@dataclass(frozen=True)
class Completed:
    exit_code: int | None = 0
    stdout: str = ""
    stderr: str = ""


@dataclass
class Call:
    argv: list[str]
    stdin: str
    environment: dict[str, str]
    cwd: str | None


@dataclass
class FakeHost:
    """Answers commands by a function, and keeps them."""

    answer: Callable[[Call], Completed]
    calls: list[Call] = field(default_factory=list)
    #: Jobs that were started and not forgotten, by id.
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    #: Programs that ran as jobs, so that no SSH connection waited for them.
    submitted: list[str] = field(default_factory=list)
    #: Checks of a job until it ends.
    job_takes: int = 0

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> Completed:
        call = Call(list(argv), stdin or "", dict(environment or {}), cwd)
        self.calls.append(call)
        return self.answer(call)


class FakeJob:
    """A remote job that runs its ggsci at once, and shows its end after some checks."""

    def __init__(self, host: FakeHost, job_id: str) -> None:
        self.host, self.job_id = host, job_id
        self.left = host.job_takes
        self.output = ""
        #: Prepared by a caller that died before it started the program.
        self.prepared_only = False

    def status(self) -> JobStatus:
        known = self.host.jobs.get(self.job_id)
        if known is None:
            return JobStatus("absent")
        if known.prepared_only:
            return JobStatus("starting")
        known.left -= 1
        return JobStatus("running") if known.left >= 0 else JobStatus("ended", exit_code=0)

    status_after_start = status

    def submit(self, program: str, **given: Any) -> JobStatus:
        assert self.job_id not in self.host.jobs, "the same job twice"
        title, _, last = program.partition("\n")
        assert last == "exec ./ggsci"
        self.host.submitted.append(shlex.split(title)[2])
        printed = self.host.run(["./ggsci"], stdin=given["stdin"], environment=given["environment"], cwd=given["cwd"])
        self.output = f"{shlex.split(title)[2]}\n{printed.stdout}"
        self.host.jobs[self.job_id] = self
        return self.status()

    def log(self, offset: int = 0) -> tuple[str, int]:
        text = self.host.jobs[self.job_id].output
        return text[offset:], len(text)

    def forget(self) -> None:
        self.host.jobs.pop(self.job_id, None)
