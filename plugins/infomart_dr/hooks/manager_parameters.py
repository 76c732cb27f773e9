"""The manager's parameter file (dirprm/mgr.prm): which groups it starts by itself. Pure functions.

Source: Parameters and Functions Reference for Oracle GoldenGate, AUTOSTART and AUTORESTART.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

#: Kinds of groups by the word of a statement; other words, such as JAGENT, are not about groups.
_KINDS: dict[str, tuple[str, ...]] = {
    "ER": ("EXTRACT", "REPLICAT"),
    "EXTRACT": ("EXTRACT",),
    "EXT": ("EXTRACT",),
    "REPLICAT": ("REPLICAT",),
    "REP": ("REPLICAT",),
}
_OPTIONS = frozenset({"RETRIES", "WAITMINUTES", "RESETMINUTES", "DELAY"})
#: Statements that bring parameters from elsewhere.
_ELSEWHERE = frozenset({"INCLUDE", "OBEY", "MACRO"})


@dataclass(frozen=True)
class AutomaticStart:
    """A statement that starts groups.

    :param text: as it stands in the file, in one line.
    :param word: AUTOSTART with the manager, or AUTORESTART after an abend.
    :param kinds: EXTRACT, REPLICAT, or both.
    :param patterns: names of groups with ``*`` and ``?``, in capitals.
    """

    text: str
    word: Literal["AUTOSTART", "AUTORESTART"]
    kinds: tuple[str, ...]
    patterns: tuple[str, ...]

    def starts(self, kind: str, group: str) -> bool:
        """It starts a group.

        :param kind: EXTRACT (a pump too) or REPLICAT.
        """
        # A group's name has no bracket, which fnmatch would read as a set of characters.
        return kind in self.kinds and any(fnmatchcase(group.upper(), pattern) for pattern in self.patterns)


@dataclass(frozen=True)
class ManagerParameters:
    """The statements of mgr.prm that start groups.

    :param elsewhere: lines that bring parameters from elsewhere (INCLUDE, OBEY, macros); their contents are not known.
    """

    automatic: tuple[AutomaticStart, ...]
    elsewhere: tuple[str, ...]

    def starting(self, kind: str, group: str) -> list[AutomaticStart]:
        """Statements that start a group."""
        return [each for each in self.automatic if each.starts(kind, group)]


def parse_manager_parameters(text: str) -> ManagerParameters:
    """Statements of mgr.prm, in any case, with comments (``--``, COMMENT) and lines that ``&`` continues."""
    automatic: list[AutomaticStart] = []
    elsewhere: list[str] = []
    for line in _statements(text):
        words = [word.strip("\"'") for word in re.split(r"[\s,()]+", line) if word]
        first = words[0].upper() if words else ""
        if first in _ELSEWHERE or first.startswith("#"):
            elsewhere.append(line)
        elif first in ("AUTOSTART", "AUTORESTART") and len(words) > 1 and words[1].upper() in _KINDS:
            names = []
            for word in words[2:]:
                if word.upper() in _OPTIONS:
                    break
                names.append(word.upper())
            automatic.append(
                AutomaticStart(
                    line,
                    "AUTOSTART" if first == "AUTOSTART" else "AUTORESTART",
                    _KINDS[words[1].upper()],
                    # Without a name it is an error of the manager; here it counts for all groups, so that it is
                    # reported.
                    tuple(names) or ("*",),
                )
            )
    return ManagerParameters(tuple(automatic), tuple(elsewhere))


def _statements(text: str) -> Iterator[str]:
    """Lines without comments; a line that ends with ``&`` and those that continue it are one."""
    begun = ""
    for line in text.lstrip("\ufeff").splitlines():
        bare = re.sub(r"(?:^|\s)--.*$", "", line).strip()
        if re.match(r"COMMENT\b", bare, re.IGNORECASE) and not begun:
            continue
        begun = f"{begun} {bare}".strip()
        if begun.endswith("&"):
            begun = begun[:-1].rstrip()
            continue
        if begun:
            yield begun.rstrip(";").rstrip()
        begun = ""
    if begun:
        yield begun
