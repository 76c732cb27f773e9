"""When the DAGs of every day run: configuration of Airflow, not code."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import conf


def schedule(option: str, default: str) -> str | None:
    """Schedule of a DAG.

    :param option: of the section ``[infomart_dr]``: a cron expression, ``@daily`` and the like; ``none`` or empty: the
        DAG runs on demand only.
    """
    value = conf.get("infomart_dr", option, fallback=default).strip()
    return None if value.lower() in ("", "none") else value
