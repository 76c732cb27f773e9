"""References to Genesys' guide: lines of its text for programs, chapter and page for people.

The code names lines, such as ``guide:869-883``, because coverage needs exact overlaps. Readers have the PDF and not
that text, so every text for them goes through :func:`readable`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from infomart_dr.errors import PermanentError
from infomart_dr.files import include_folder

#: ``guide:853`` or ``guide:869-877``; a text may have several.
_ANCHOR = re.compile(r"\bguide:(\d+)(?:-(\d+))?")
#: Adjoining anchors, such as ``guide:891-899, guide:929``: one reference for people.
_ANCHORS = re.compile(r"\bguide:\d+(?:-\d+)?(?:, guide:\d+(?:-\d+)?)*")


class Lines(NamedTuple):
    """Lines of the guide, both ends included."""

    first: int
    last: int

    def overlaps(self, other: Lines) -> bool:
        """The two have a line in common."""
        return self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def _span(value: Any) -> Any:
    """First and last of a YAML file's ``7`` or ``7-9``."""
    first, _, last = str(value).partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()):
        raise ValueError(f"{value!r} is neither a number nor a range; write 7 or 7-9")
    span = Lines(int(first), int(last or first))
    if span.last < span.first:
        raise ValueError(f"{value} ends before it begins")
    return span


Span = Annotated[Lines, BeforeValidator(_span)]


class Part(BaseModel):
    """Lines on one page, or somewhere in a range of pages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lines: Span
    page: Span


class Chapter(BaseModel):
    """A chapter of the table of contents."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=1)
    parts: list[Part] = Field(min_length=1)


class Guide(BaseModel):
    """The file ``include/guide/pages.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    document: str
    release: str
    pages: int
    chapters: list[Chapter]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        parts = [part for chapter in self.chapters for part in chapter.parts]
        for before, after in pairwise(parts):
            if after.lines.first <= before.lines.last or after.page.first < before.page.first:
                raise ValueError(f"lines {after.lines}, page {after.page}, follow lines {before.lines}")
        if parts and parts[-1].page.last > self.pages:
            raise ValueError(f"lines {parts[-1].lines} are on page {parts[-1].page} of {self.pages}")
        return self


class Place(NamedTuple):
    """Place of some lines in the PDF."""

    chapter: str
    pages: tuple[Lines, ...]

    def __str__(self) -> str:
        return f"{self.chapter}, {page_text(self.pages)}"


@cache
def load_guide(file: Path | None = None) -> Guide:
    """Chapters and pages of the guide.

    :param file: default: ``include/guide/pages.yaml``.
    """
    file = file or include_folder() / "guide" / "pages.yaml"
    return Guide.model_validate(yaml.safe_load(file.read_text()))


def parse_references(text: str) -> tuple[Lines, ...]:
    """Lines of the guide that a text names, in the text's order.

    :raises PermanentError: a range ends before it begins.
    """
    found = []
    for first, last in _ANCHOR.findall(text):
        lines = Lines(int(first), int(last or first))
        if lines.last < lines.first:
            raise PermanentError(f"The range guide:{lines} ends before it begins.", "Correct the task's reference.")
        found.append(lines)
    return tuple(found)


def places(references: Iterable[Lines]) -> list[Place]:
    """Chapters and pages of some lines, each chapter once, in the order of its first mention.

    :raises PermanentError: lines that are on no page.
    """
    found: dict[str, list[Lines]] = {}
    for lines in references:
        hits = [
            (chapter.title, part.page)
            for chapter in load_guide().chapters
            for part in chapter.parts
            if part.lines.overlaps(lines)
        ]
        if not hits:
            raise PermanentError(f"guide:{lines} is on no page.", "Correct the reference, or include/guide/pages.yaml.")
        for title, page in hits:
            found.setdefault(title, []).append(page)
    return [Place(title, _merged(pages)) for title, pages in found.items()]


def _merged(pages: Sequence[Lines]) -> tuple[Lines, ...]:
    """Ranges of pages, in order; adjoining ranges become one."""
    merged: list[Lines] = []
    for page in sorted(pages):
        if merged and page.first <= merged[-1].last + 1:
            merged[-1] = Lines(merged[-1].first, max(merged[-1].last, page.last))
        else:
            merged.append(page)
    return tuple(merged)


def page_text(pages: Sequence[Lines]) -> str:
    """``p. 37``, ``pp. 37-38`` or ``pp. 10-11, 13``."""
    one = len(pages) == 1 and pages[0].first == pages[0].last
    return f"{'p.' if one else 'pp.'} {', '.join(map(str, pages))}"


def readable(text: str) -> str:
    """A text for people, with chapter and page in place of lines.

    The chapter that the text named last is not repeated: ``Setting Up Replication (p. 37)``.

    :raises PermanentError: the text names lines that are on no page.
    """
    shown, end, named = [], 0, ""
    for match in _ANCHORS.finditer(text):
        before = text[end : match.start()]
        named = _last_title(before) or named
        parts = []
        for place in places(parse_references(match[0])):
            parts.append(page_text(place.pages) if place.chapter == named else str(place))
            named = place.chapter
        shown += [before, "; ".join(parts)]
        end = match.end()
    return "".join([*shown, text[end:]])


def _last_title(text: str) -> str:
    """The chapter title that a text names last; empty: it names none."""
    text = " ".join(text.split())
    at = {chapter.title: text.rfind(chapter.title) for chapter in load_guide().chapters}
    # The longer of two titles that begin at the same place.
    title, place = max(at.items(), key=lambda each: (each[1], len(each[0])))
    return title if place >= 0 else ""
