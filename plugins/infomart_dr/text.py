"""Texts for people (sizes, lists of names), and the forms that a name may have."""

from __future__ import annotations

import re
from collections.abc import Sequence

from infomart_dr.errors import PermanentError, UnexpectedReplyError

#: A name in the topology: of a deployment, a site or a host.
NAME = r"[a-z][a-z0-9_-]{0,39}"
#: A plain Oracle name.
IDENTIFIER = re.compile(r"[A-Z][A-Z0-9_$#]{0,127}")

#: More digits than Oracle's NUMBER has; a longer number is none of these programs'.
_DIGITS = 60
_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def identifier(what: str, value: str) -> str:
    """The name, once it is safe for a statement or a parameter file.

    :param what: the beginning of the message.
    :raises PermanentError: it is not a plain Oracle name.
    """
    if not IDENTIFIER.fullmatch(value):
        raise PermanentError(
            f"{what} is not an Oracle identifier: {value[:60]!r}.",
            "Correct the topology, or the parameter that gives this name.",
        )
    return value


def whole(digits: str) -> int:
    """The number of some digits, of any script.

    :raises UnexpectedReplyError: no program means a number of that many digits.
    """
    if len(digits) > _DIGITS:
        raise UnexpectedReplyError(
            f"A reply has a number of {len(digits)} digits: {digits[:20]}...",
            "Read the output of the program by hand: it is damaged, or of a release that is unknown here.",
        )
    return int(digits)


def unit_of(size: float) -> tuple[float, str]:
    """The unit for a number of bytes: its size in bytes and its name."""
    return next(((factor, unit) for unit, factor in _UNITS if size >= factor), (1.0, "B"))


def size_text(size: float) -> str:
    """Bytes for people: ``3.4 GB``."""
    factor, unit = unit_of(size)
    return f"{size / factor:.{0 if unit == 'B' else 1}f} {unit}"


def sorted_names(names: Sequence[str], limit: int = 8) -> str:
    """Names for a message: sorted, at most ``limit`` of them, and the number of the others."""
    ordered = sorted(names)
    more = f" and {len(ordered) - limit} more" if len(ordered) > limit else ""
    return ", ".join(ordered[:limit]) + more


def lines(items: Sequence[str]) -> str:
    """A list of its own lines, behind a colon."""
    return "".join(f"\n- {item}" for item in items)


def as_markdown(text: str) -> str:
    """A text of a person or program for a place that shows Markdown: it stands there as it is, in one line."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def fenced(text: str, kind: str = "text") -> str:
    """A text as a block of code in Markdown, which nothing in the text can end."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text)), 0)
    return f"{fence}{kind}\n{text}\n{fence}"


def cut(text: str, size: int) -> str:
    """At most ``size`` bytes of UTF-8, as Oracle counts a VARCHAR2."""
    return text.encode()[:size].decode(errors="ignore")


def without_passwords(text: str) -> str:
    """A parameter file that may be shown. Older files contain passwords in clear text (guide:628, 763)."""
    # ASMPASSWORD and MININGPASSWORD too; the word may be on the line after a continuation sign.
    return re.sub(r"(?i)(PASSWORD\s+(?:&\s*)?)(\"[^\"]*\"|\S+?)(?=[,\s]|$)", r"\1***", text)
