"""Clocks compared with Airflow's, releases compared with the topology's."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from infomart_dr.errors import TopologyError, UnexpectedReplyError
from infomart_dr.guards import fitness
from infomart_dr.hooks.goldengate_parameters import trail_format
from infomart_dr.readiness.context import CheckContext
from infomart_dr.readiness.report import Check, Verdict, blocked, faults, not_checked, of_faults, ok, warning
from infomart_dr.topology import SiteRole

#: Seconds by which a clock may differ from Airflow's, since high-water marks, holds and logs are compared with it.
CLOCK_WARNING, CLOCK_LIMIT = 10.0, 120.0


def clock_verdict(what: str, difference: float) -> Verdict:
    """The clock is close to Airflow's.

    :param difference: seconds; positive: the clock is ahead.
    """
    said = f"the clock of {what} is {abs(difference):.0f} s {'ahead of' if difference > 0 else 'behind'} Airflow's"
    if abs(difference) < CLOCK_WARNING:
        return ok(f"{what}: within {CLOCK_WARNING:.0f} s of Airflow's")
    remedy = "Synchronise both with the same time servers: marks, holds and logs are compared with Airflow's time."
    return (warning if abs(difference) < CLOCK_LIMIT else blocked)(said, remedy)


def _difference(look: Callable[..., float]) -> float:
    """Seconds by which a clock is ahead: its reading compared with the middle of the reading's duration here."""
    begin = time.time()
    there = look()
    return float(there) - (begin + time.time()) / 2


def _database_clock(context: CheckContext, role: SiteRole) -> Verdict:
    def look() -> float:
        now: datetime = context.step.at(role).dba.value("database_clock")
        return now.replace(tzinfo=UTC).timestamp()

    return clock_verdict(f"the database of {context.step.at(role).name}", _difference(look))


def _host_clocks(context: CheckContext, role: SiteRole) -> list[Verdict]:
    step, site = context.step, context.step.at(role).settings
    hosts = {site.database.host: step.at(role).host(), site.info_mart_server.host: step.at(role).host("gim")}
    # date gives whole seconds, so half a second is added.
    return [
        clock_verdict(name, _difference(lambda host=host: parse_seconds(host.run(["date", "-u", "+%s"]).stdout) + 0.5))
        for name, host in hosts.items()
    ]


def parse_seconds(text: str) -> int:
    """Seconds since 1970 from the output of ``date +%s``.

    :raises UnexpectedReplyError: the output is something else.
    """
    if not re.fullmatch(r"\d{9,12}", text.strip()):
        raise UnexpectedReplyError(f"date -u +%s gave {text.strip()[:60]!r}.", "Run it by hand on that host.")
    return int(text)


def release_faults(what: str, found: str, wanted: str, parts: int = 2) -> Iterator[str]:
    """The difference between a release and the topology's, by their first parts."""
    numbers = [re.findall(r"\d+", text)[:parts] for text in (found, wanted)]
    shortest = min(map(len, numbers))
    if shortest == 0 or numbers[0][:shortest] != numbers[1][:shortest]:
        yield f"{what} has the release {found}, the topology says {wanted}"


def _database_release(context: CheckContext, role: SiteRole) -> Verdict:
    wanted = context.step.at(role).settings.database.release
    found = str(context.step.at(role).dba.select("instance")[0]["version"])
    if wrong := list(release_faults("the database", found, wanted)):
        return faults(wrong, "", _CORRECT_RELEASE)
    replicated = context.step.topology.architecture == "active-standby"
    return of_faults(fitness.trigger_faults(context.step, role) if replicated else (), f"database {found}")


_CORRECT_RELEASE = "Correct the topology: commands and parameter files depend on the release."


def _goldengate_release(context: CheckContext, role: SiteRole) -> Verdict:
    at, other = context.step.at(role), context.step.at("target" if role == "source" else "source")
    found = at.ggsci.release()
    wrong = list(release_faults("GoldenGate", found, at.settings.goldengate.release))
    if wrong:
        return faults(wrong, "", _CORRECT_RELEASE)
    try:
        older = trail_format(at.settings, other.settings)
    except TopologyError as error:
        return blocked(error.what.rstrip("."), error.next_step)
    return ok(f"GoldenGate {found}" + (f", with trails in the format of {older} for {other.name}" if older else ""))


def _data_pump_clients(context: CheckContext, role: SiteRole) -> Verdict:
    program = "expdp" if role == "source" else "impdp"
    found = context.step.at(role).data_pump.release(program)  # type: ignore[arg-type]
    database = str(context.step.at(role).dba.select("instance")[0]["version"])
    return faults(
        [
            f"{program} has the release {found}, the database {database}"
            for _ in release_faults(program, found, database)
        ],
        f"{program} {found}",
        "Correct data_pump.expdp and impdp or oracle_home in the topology: the client must be the database's.",
    )


def _info_mart_release(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    found = step.at("source").info_mart.value("job_version", {"schema": step.schema})
    if found is None:
        return not_checked("no extraction is recorded here that would show the server's release")
    wanted = step.topology.info_mart.release
    return faults(
        release_faults("the Info Mart Server", str(found), wanted, parts=3),
        f"Info Mart Server {found}",
        "Correct info_mart.release in the topology: the exclusion list depends on it.",
    )


DATABASE_CLOCK = Check(
    "database_clock",
    f"The database's clock compared with Airflow's: warning from {CLOCK_WARNING:.0f} s, "
    f"blocked from {CLOCK_LIMIT:.0f} s",
    _database_clock,
    needs=("dba_connection",),
)
HOST_CLOCKS = Check(
    "host_clocks",
    "The clocks of both hosts compared with Airflow's",
    _host_clocks,
    needs=("database_host", "server_host"),
)
DATABASE_RELEASE = Check(
    "database_release",
    "Release of the database (V$INSTANCE) compared with the topology's",
    _database_release,
    needs=("dba_connection",),
)
GOLDENGATE_RELEASE = Check(
    "goldengate_release",
    "Release in ggsci's banner compared with the topology's; the other site can read the trail",
    _goldengate_release,
    needs=("goldengate",),
)
DATA_PUMP_CLIENTS = Check(
    "data_pump_client",
    "expdp at the source and impdp at the target start, and have the database's release",
    _data_pump_clients,
    needs=("database_host", "dba_connection"),
)
INFO_MART_RELEASE = Check(
    "info_mart_release",
    "JOB_VERSION of the newest extraction compared with the topology's release",
    _info_mart_release,
    needs=("info_mart_connection",),
)
