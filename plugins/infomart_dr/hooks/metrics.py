"""Figures for whatever Airflow sends its own metrics to: StatsD, Datadog or OpenTelemetry.

What a figure belongs to goes as tags where the backend takes them. StatsD in its own format has none: there the values
are parts of the name, in the order in which they are given.
"""

from __future__ import annotations

from airflow.sdk.observability.stats import gauge, normalize_name_for_stats

from infomart_dr import settings

#: First part of all names; Airflow puts its own prefix before it.
PREFIX = "infomart_dr.watch"


def send(name: str, value: float, **tags: str) -> None:
    """Set a gauge.

    :param name: below :data:`PREFIX`.
    :param tags: what it belongs to.
    """
    full = f"{PREFIX}.{name}"
    if settings.metrics_take_tags():
        gauge(full, value, tags=dict(tags))
        return
    words = [word.replace(".", "_") for word in tags.values()]
    gauge(normalize_name_for_stats(".".join([full, *words]), log_warning=False), value)
