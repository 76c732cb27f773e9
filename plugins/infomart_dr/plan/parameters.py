"""Checks of a run's request: Airflow accepts any key in ``conf`` and a long id, so the first task refuses them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from infomart_dr.errors import RequestError

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Values of the parameter ``option`` of a return to normal: the site that serves at its end.
TARGET_TAKES_OVER = "target takes over"
SOURCE_STAYS = "source stays active"

#: Parameters with a time.
TIMES = ("failure_time", "reaggregate_from", "reaggregate_to")

#: Control characters other than tab and line breaks, halves of characters, and signs that change a line's direction.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")

#: Most bytes of a run's id: with the DAG's id it must fit into the owner of the lock and of a purge hold.
RUN_ID_LIMIT = 200
#: The next step after a longer one.
SHORTER_ID = f"Start a new run with a shorter id: at most {RUN_ID_LIMIT} letters, digits and _ . ~ : + - only."


def undeclared(conf: Mapping[str, object], declared: Collection[str]) -> str | None:
    """The faults in the keys of a run's ``conf``; None when each is a parameter.

    :param conf: the configuration that the run was triggered with.
    :param declared: names of the DAG's parameters.
    """
    known = sorted(declared)
    wrong = []
    for key in sorted(set(conf) - set(known), key=str):
        name = str(key)[:60]
        close = get_close_matches(name.lower(), known, n=1)
        wrong.append(f"{name!r} is not a parameter of this DAG" + (f" (nearest: {close[0]!r})" if close else ""))
    if not wrong:
        return None
    return f"{'; '.join(wrong)}. Its parameters: {', '.join(known) or 'none'}."


def missing(params: Mapping[str, object], needs: Collection[str]) -> str | None:
    """The fault of a run that names none of some parameters; None: it names one, or none is needed.

    :param needs: names of parameters, of which one is required.
    """
    if not needs or any(params.get(name) for name in needs):
        return None
    return f"The run must name {' or '.join(needs)}. Nothing was changed."


def wrong_request(context: Context) -> bool:
    """The run is refused whatever a person clears."""
    try:
        refuse_wrong_run(context)
    except RequestError:
        return True
    return False


def refuse_wrong_run(context: Context) -> None:
    """Refuse a run with a wrong request; every task checks this before it begins.

    :raises RequestError: names the fault; nothing was changed.
    """
    refuse_long_id(context)
    refuse_undeclared(context)
    refuse_unprintable(context)


def refuse_long_id(context: Context) -> None:
    """Refuse a run whose id is too long for the lock and the holds; later it would stop half-way.

    :raises RequestError: names its length and the limit.
    """
    size = len(context["dag_run"].run_id.encode())
    if size > RUN_ID_LIMIT:
        raise RequestError(
            f"The run's id has {size} bytes; allowed: {RUN_ID_LIMIT}. Nothing was changed.",
            SHORTER_ID,
        )


def unprintable(params: Mapping[str, object]) -> str | None:
    """The fault of a value that no database, log or message can hold as it is; None: there is none."""
    for name, value in sorted(params.items()):
        if isinstance(value, str) and (found := _UNPRINTABLE.search(value)):
            return f"The parameter {name} has the character U+{ord(found[0]):04X} in it. Nothing was changed."
    return None


def refuse_unprintable(context: Context) -> None:
    """Refuse a run with control characters or halves of characters in a parameter.

    JSON can carry them. A terminal would obey them, and the ledger could not store them.

    :raises RequestError: names the parameter and the character.
    """
    if wrong := unprintable(context.get("params") or {}):
        raise RequestError(wrong, "Start a new run with plain text in that parameter.")


def refuse_undeclared(context: Context) -> None:
    """Refuse a run whose ``conf`` has unknown keys.

    Airflow would ignore a misspelt ``target``, and the run would use the default.

    :raises RequestError: names each key, the nearest parameter, and all that exist.
    """
    conf = context["dag_run"].conf
    if wrong := undeclared(conf or {}, list(context["dag"].params)):
        raise RequestError(
            f"conf contains unknown keys; nothing was changed: {wrong}",
            "Start a new run with the right keys; docs/tickets.md and docs/api list them.",
        )
