"""Metrics for the backend of Airflow's own metrics: StatsD, Datadog or OpenTelemetry.

The subject of a metric is sent as tags where the backend takes them. StatsD in its own format has no tags: there the
values are parts of the name, in the given order.
"""

from __future__ import annotations

from airflow.sdk.observability.stats import gauge, normalize_name_for_stats

from infomart_dr import settings

#: First part of all names; Airflow's own prefix precedes it.
PREFIX = "infomart_dr.watch"


def send(name: str, value: float, **tags: str) -> None:
    """Set a gauge.

    :param name: below :data:`PREFIX`.
    :param tags: the subject of the metric.
    """
    full = f"{PREFIX}.{name}"
    if settings.metrics_take_tags():
        gauge(full, value, tags=dict(tags))
        return
    words = [word.replace(".", "_") for word in tags.values()]
    gauge(normalize_name_for_stats(".".join([full, *words]), log_warning=False), value)
