"""Airflow's configuration, as far as it matters here: the section ``[infomart_dr]``, and what other sections say."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import conf

_SECTION = "infomart_dr"


def retries() -> int:
    """How often a step is tried again."""
    return int(conf.getint(_SECTION, "retries", fallback=6))


def retry_delay() -> timedelta:
    """Delay before the first retry; it grows."""
    return timedelta(seconds=conf.getint(_SECTION, "retry_delay", fallback=15))


def watch_timeout() -> timedelta:
    """Time after which Airflow ends a task that watches; the topology's ``watch.look`` ends it long before."""
    return timedelta(seconds=conf.getint(_SECTION, "watch_timeout", fallback=300))


def watch_at_a_time() -> int:
    """Deployments of one run that are watched at the same time."""
    return int(conf.getint(_SECTION, "watch_at_a_time", fallback=8))


def schedule(option: str, default: str) -> str | None:
    """Schedule of a DAG.

    :param option: of the section ``[infomart_dr]``: a cron expression, ``@daily`` and the like; ``none`` or empty: the
        DAG runs on demand only.
    """
    value = conf.get(_SECTION, option, fallback=default).strip()
    return None if value.lower() in ("", "none") else value


def metrics_take_tags() -> bool:
    """Whether the configured backend of metrics takes tags; the order is that in which Airflow chooses one."""
    if conf.getboolean("metrics", "statsd_datadog_enabled", fallback=False):
        return True
    if conf.getboolean("metrics", "statsd_on", fallback=False):
        return bool(conf.getboolean("metrics", "statsd_influxdb_enabled", fallback=False))
    return True


def base_url() -> str:
    """Address of Airflow's web interface."""
    return conf.get("api", "base_url", fallback="") or "http://localhost:8080"
