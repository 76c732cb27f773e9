"""What a run was asked with: Airflow takes any key of ``conf``, so the first task refuses those that mean nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from infomart_dr.errors import FinalError


def undeclared(conf: Mapping[str, Any], declared: Collection[str]) -> str | None:
    """What is wrong with the keys of a run's ``conf``; None when each is a parameter.

    :param conf: what the run was triggered with.
    :param declared: names of the DAG's parameters.
    """
    known = sorted(declared)
    wrong = []
    for key in sorted(set(conf) - set(known), key=str):
        name = str(key)[:60]
        close = get_close_matches(name.lower(), known, n=1)
        wrong.append(f"{name!r} is no parameter of this DAG" + (f" (nearest: {close[0]!r})" if close else ""))
    if not wrong:
        return None
    return f"{'; '.join(wrong)}. Its parameters: {', '.join(known) or 'none'}."


def refuse_undeclared(context: Mapping[str, Any]) -> None:
    """Refuse a run whose ``conf`` has keys that are no parameters; every task asks this before it begins.

    A misspelt ``target`` would otherwise be ignored, and the default taken.

    :raises FinalError: names each key, the nearest parameter, and all that exist.
    """
    conf = context["dag_run"].conf
    if wrong := undeclared(conf or {}, list(context["dag"].params)):
        raise FinalError(
            f"The run was asked with unknown keys in conf, and nothing was done: {wrong}",
            "Start a new run with the right keys; docs/tickets.md and docs/api list them.",
        )
