"""What a run was asked with: Airflow takes any key of ``conf`` and a longer id, so the first task refuses them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from infomart_dr.errors import PermanentError

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Values of the parameter ``option`` of a return to normal: which site serves at its end.
TARGET_TAKES_OVER = "target takes over"
SOURCE_STAYS = "source stays active"

#: Bytes of a run's id: with the DAG's id it must fit where the lock, and a purge hold, name their owner.
RUN_ID_LIMIT = 200
#: What to do about a longer one.
SHORTER_ID = f"Start a new run with a shorter id: at most {RUN_ID_LIMIT} letters, digits and _ . ~ : + - only."


def undeclared(conf: Mapping[str, object], declared: Collection[str]) -> str | None:
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


def refuse_wrong_run(context: Context) -> None:
    """Refuse a run that was asked for wrongly; every task asks this before it begins.

    :raises PermanentError: says what is wrong, and that nothing was done.
    """
    refuse_long_id(context)
    refuse_undeclared(context)


def refuse_long_id(context: Context) -> None:
    """Refuse a run whose id would not fit later, where what it has begun would stop.

    :raises PermanentError: its length, and what is allowed.
    """
    size = len(context["dag_run"].run_id.encode())
    if size > RUN_ID_LIMIT:
        raise PermanentError(
            f"The run's id has {size} bytes, allowed are {RUN_ID_LIMIT}, and nothing was done.",
            SHORTER_ID,
        )


def refuse_undeclared(context: Context) -> None:
    """Refuse a run whose ``conf`` has keys that are no parameters.

    A misspelt ``target`` would otherwise be ignored, and the default taken.

    :raises PermanentError: names each key, the nearest parameter, and all that exist.
    """
    conf = context["dag_run"].conf
    if wrong := undeclared(conf or {}, list(context["dag"].params)):
        raise PermanentError(
            f"The run was asked with unknown keys in conf, and nothing was done: {wrong}",
            "Start a new run with the right keys; docs/tickets.md and docs/api list them.",
        )
