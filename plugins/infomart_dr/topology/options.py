"""Options of the procedures: the copy, gates, fencing and timeouts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infomart_dr.topology.identifiers import Model, Program


class Transfer(Model):
    """The copy of the dump set between the sites."""

    #: ``direct``: rsync from host to host; ``relay``: through Airflow's machine.
    method: Literal["direct", "relay"] = "direct"
    #: Number of files that are copied at the same time.
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
    #: One command of ggsci that writes or locks the database's dictionary, such as REGISTER EXTRACT.
    goldengate: int = Field(1800, ge=60, le=86400)
    #: For which a started group of GoldenGate must run before it counts as RUNNING.
    group_start: float = Field(30, ge=0, le=600)
    #: Between two checks of something that takes long.
    poll: float = Field(5.0, ge=0.2, le=300)
    #: Waiting time in the task's own process, before the triggerer takes over the waiting.
    inline_wait: float = Field(10.0, ge=0, le=60)
    #: For which a started Info Mart Server must be connected to its Info Mart without reporting the migration state.
    migration_check: float = Field(60, ge=0, le=3600)
    #: Until ETL jobs are quiet.
    quiesce: int = Field(1800, ge=10, le=86400)
    #: After the gate of a cutover, until a marker has reached the target; only then the server is stopped.
    gate_recheck: int = Field(60, ge=5, le=3600)
    #: Until the Replicat has caught up, while the source serves.
    catch_up: int = Field(86400, ge=10)
    #: After the writers have stopped, until the target has their last change; then the service returns to the source.
    final_catch_up: int = Field(900, ge=10, le=86400)
    #: An export, an import, and a transfer or a checksum of the dump set; None: twice the longest time of the estimate,
    #: at least an hour.
    expdp: int | None = Field(None, ge=60)
    impdp: int | None = Field(None, ge=60)
    transfer: int | None = Field(None, ge=60)
    #: For which a Data Pump job may wait for space. Oracle itself gives up after 7200 s: the table is then missing.
    space_wait: int = Field(5400, ge=60, le=86400)


class Approval(Model):
    """Rules for answering a gate."""

    #: True: the person who started a run cannot answer its gates.
    four_eyes: bool = False


class Fencing(Model):
    """The proof that a site is dead, before the other site takes over."""

    #: True: a refused connection proves that the host is alive; false: only an accepted or answered one does.
    refused_is_alive: bool = True
    #: Seconds for one answer.
    timeout: float = Field(5.0, ge=0.5, le=60)
    #: True: after a failover the survivor's database refuses logons of the Info Mart's owner from the machines of the
    #: lost site's server, by a trigger; false: the watch alone notices such a server.
    refuse_lost_site: bool = True
