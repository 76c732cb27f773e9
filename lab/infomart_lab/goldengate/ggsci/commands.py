"""Common parts of all commands: their words, and the error as a reply."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Short names of objects.
_OBJECTS = {
    "EXT": "EXTRACT",
    "REP": "REPLICAT",
    "MANAGER": "MGR",
    "CHKPTTABLE": "CHECKPOINTTABLE",
    "CREDSTORE": "CREDENTIALSTORE",
    "PARAM": "PARAMS",
}


class CommandError(Exception):
    """The reply is an error; its text is printed."""


def invalid_command() -> CommandError:
    """The error of a command that does not exist in this release."""
    return CommandError("ERROR: Invalid command.")


def invalid_option(word: str) -> CommandError:
    """The error of an option that a command does not have."""
    return CommandError(f"ERROR: Invalid option ({word}).")


def split(line: str) -> list[str]:
    """Words of a command: separated by blanks and commas, quotes kept together, the semicolon dropped."""
    text = line.strip().rstrip(";").rstrip()
    text = re.sub(r"!\s*$", " !", text)
    return [w for w in re.findall(r'"[^"]*"|\'[^\']*\'|[^\s,]+', text) if w]


def masked(line: str) -> str:
    """A command without its passwords."""
    return re.sub(r"(?i)(password\s+)(\"[^\"]*\"|'[^']*'|[^\s,;]+)", r"\1***", line)


class Options:
    """Walks over the words behind a command's verb."""

    def __init__(self, found: Iterable[str]) -> None:
        self._words = list(found)
        #: The command's object in full, once it has been taken.
        self.object = ""

    def __bool__(self) -> bool:
        return bool(self._words)

    def take_object(self) -> str:
        """Next word as the command's object, in full.

        :raises CommandError: there is none.
        """
        if not self:
            raise invalid_command()
        word = self.keyword()
        self.object = _OBJECTS.get(word, word)
        return self.object

    def next(self, what: str = "option") -> str:
        """Next word.

        :raises CommandError: there is none.
        """
        if not self._words:
            raise CommandError(f"ERROR: Missing {what}.")
        return self._words.pop(0)

    def keyword(self) -> str:
        return self.next().upper()

    def peek(self) -> str:
        return self._words[0].upper() if self._words else ""

    def rest(self) -> list[str]:
        found, self._words = self._words, []
        return found

    def number(self, what: str) -> int:
        word = self.next(what)
        if not word.isdigit():
            raise CommandError(f"ERROR: Invalid value for {what} ({word}).")
        return int(word)


def qualified(name: str) -> str:
    """``OWNER.OBJECT`` in capitals.

    :raises CommandError: the owner is missing.
    """
    if "." not in name:
        raise CommandError(f"ERROR: Missing schema in {name}.")
    return name.upper()
