"""Thresholds of the watch."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from infomart_dr.topology.identifiers import ConnectionId, MessageCode, Model


class Rising(Model):
    """Two thresholds of a value that gets worse as it grows."""

    warning: float = Field(ge=0)
    critical: float = Field(ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.warning > self.critical:
            raise ValueError(f"warning {self.warning:g} is above critical {self.critical:g}; allowed: at most critical")
        return self


class Falling(Model):
    """Two thresholds of a value that gets worse as it shrinks."""

    warning: float = Field(ge=0)
    critical: float = Field(ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.warning < self.critical:
            raise ValueError(
                f"warning {self.warning:g} is below critical {self.critical:g}; allowed: at least critical"
            )
        return self


class Watch(Model):
    """The thresholds of the watch, and the receiver of its alerts."""

    #: Replication lag in seconds, end to end and of each group.
    lag: Rising = Rising(warning=300, critical=1800)
    #: Seconds without a checkpoint after which a running group counts as stuck.
    checkpoint: int = Field(600, ge=10)
    #: Age in seconds of a data source's high-water mark.
    hwm_age: Rising = Rising(warning=3600, critical=14400)
    #: Age in seconds of the oldest extraction that no transformation has loaded.
    loading_age: Rising = Rising(warning=3600, critical=14400)
    #: Free space on the trails' disk in megabytes.
    trail_free: Falling = Falling(warning=10_000, critical=2_000)
    #: Seconds until the trails' disk is full, at the growth of the last ``trail_window`` seconds.
    trail_full: Falling = Falling(warning=86_400, critical=14_400)
    trail_window: int = Field(3600, ge=60, le=86_400)
    #: A link outage becomes critical this many seconds before data is given up.
    link_left: int = Field(7200, ge=0)
    #: Age of a purge hold, in percent of the partition ring.
    hold_age: Rising = Rising(warning=70, critical=90)
    #: Age in seconds of the oldest archived log that a registered Extract needs.
    redo_held: Rising = Rising(warning=86_400, critical=259_200)
    #: Errors of ggserr.log that the watch ignores.
    ggserr_ignore: list[MessageCode] = Field(default_factory=list)
    #: Seconds without a repetition after which an error counts as ended.
    ggserr_quiet: int = Field(3600, ge=0)
    #: Seconds for which no server loads data, because a plan has stopped it.
    outage: Rising = Rising(warning=900, critical=3600)
    #: Seconds without a sign of life after which a plan that holds the lock is reported.
    plan_quiet: int = Field(86_400, ge=60)
    #: Seconds for which one check waits for its marker row at the standby.
    marker_wait: float = Field(10.0, ge=0, le=60)
    #: Time limit of one connection, statement or command in seconds.
    timeout: int = Field(30, ge=1, le=300)
    #: Time limit of one watch of a deployment in seconds.
    run_limit: int = Field(120, ge=10, le=3600)
    #: Airflow connection (http) of a webhook that gets every alert; None: log and asset events only.
    alert_connection: ConnectionId | None = None
