"""Settings of Airflow's configuration: the section ``[infomart_dr]``, and the few other options that matter here."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import conf

_SECTION = "infomart_dr"


def retries() -> int:
    """Number of retries of a step."""
    return int(conf.getint(_SECTION, "retries", fallback=6))


def retry_delay() -> timedelta:
    """Delay before the first retry; it grows."""
    return timedelta(seconds=conf.getint(_SECTION, "retry_delay", fallback=15))


def watch_timeout() -> timedelta:
    """Time after which Airflow ends a task that watches; the topology's ``watch.run_limit`` ends it long before."""
    return timedelta(seconds=conf.getint(_SECTION, "watch_timeout", fallback=300))


def watch_at_a_time() -> int:
    """Number of deployments that one run watches at the same time."""
    return int(conf.getint(_SECTION, "watch_at_a_time", fallback=8))


def oracle_client() -> str | None:
    """Folder of the Oracle client library for the driver's thick mode; "" is the system's own; None: thin mode.

    Thick mode is for Oracle 11.2 and for native network encryption. A process has one mode for all its connections.
    """
    value = str(conf.get(_SECTION, "oracle_client", fallback="")).strip()
    return {"": None, "system": ""}.get(value, value)


def schedule(option: str, default: str) -> str | None:
    """Schedule of a DAG.

    :param option: option of the section ``[infomart_dr]``: a cron expression, ``@daily`` and the like. With ``none`` or
        an empty value the DAG runs on demand only.
    """
    value = conf.get(_SECTION, option, fallback=default).strip()
    return None if value.lower() in ("", "none") else value


def metrics_take_tags() -> bool:
    """The configured metrics backend takes tags. The order is that in which Airflow chooses a backend."""
    if conf.getboolean("metrics", "statsd_datadog_enabled", fallback=False):
        return True
    if conf.getboolean("metrics", "statsd_on", fallback=False):
        return bool(conf.getboolean("metrics", "statsd_influxdb_enabled", fallback=False))
    return True


def base_url() -> str:
    """Address of Airflow's web interface."""
    return conf.get("api", "base_url", fallback="") or "http://localhost:8080"
