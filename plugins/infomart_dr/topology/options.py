"""How procedures go: the copy, gates, fencing and timeouts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infomart_dr.topology.identifiers import Model, Program


class Transfer(Model):
    """How the dump set travels."""

    #: ``direct``: rsync from host to host; ``relay``: through Airflow's machine by SFTP.
    method: Literal["direct", "relay"] = "direct"
    #: Files at a time.
    streams: int = Field(4, ge=1, le=16)
    #: Kilobytes a second over all streams; None: no limit.
    bandwidth: int | None = Field(None, ge=1)
    #: The free space at the target must be this many times the dump set's size.
    space_factor: float = Field(1.2, ge=1.0, le=10)
    rsync: Program = "rsync"


class Timeouts(Model):
    """Seconds."""

    connect: int = Field(10, ge=1, le=120)
    #: One statement.
    statement: int = Field(120, ge=1, le=7200)
    #: One short command over SSH.
    command: int = Field(60, ge=1, le=3600)
    #: Between two looks at something that takes long.
    poll: float = Field(5.0, ge=0.2, le=300)
    #: Time that a task waits in its own process before the triggerer waits for it.
    inline_wait: float = Field(10.0, ge=0, le=60)
    #: Until ETL jobs are quiet.
    quiesce: int = Field(1800, ge=10, le=86400)
    #: Until the Replicat has caught up.
    catch_up: int = Field(86400, ge=10)


class Approval(Model):
    """Who may answer a gate."""

    #: The one who started a run cannot answer its gates.
    four_eyes: bool = False


class Fencing(Model):
    """How a site is proven dead before the other one takes over."""

    #: A refused connection comes from a host that lives; false: only what is accepted or answered counts.
    refused_is_alive: bool = True
    #: Seconds for one answer.
    timeout: float = Field(5.0, ge=0.5, le=60)
