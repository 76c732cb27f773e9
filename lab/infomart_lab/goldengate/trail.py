"""Trail files: JSON lines, rolled over at a size, safe to cut off anywhere.

A file begins with a header line that names the writer's incarnation (one ADD EXTRACT). A transaction has one or more
records; each names its place in the transaction. A line without its newline is unfinished: readers leave it, and the
writer removes it when it opens the trail again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from infomart_lab.goldengate.group import Abend


class Position(NamedTuple):
    """Sequence number of a trail file and relative byte address in it."""

    seq: int
    rba: int


class TrailError(Exception):
    """The trail does not have the position of a checkpoint."""


def numbers(release: str) -> tuple[int, ...]:
    """A release as comparable numbers."""
    return tuple(int(part) for part in release.split("."))


def file_name(prefix: Path, seq: int, digits: int) -> Path:
    return prefix.with_name(f"{prefix.name}{seq:0{digits}d}")


def files(prefix: Path) -> dict[int, Path]:
    """Files of a trail by sequence number, in order."""
    found: dict[int, Path] = {}
    if prefix.parent.is_dir():
        expression = re.compile(re.escape(prefix.name) + r"(\d{6}|\d{9})\Z")
        for path in prefix.parent.iterdir():
            if match := expression.match(path.name):
                found[int(match[1])] = path
    return dict(sorted(found.items()))


def header_of(path: Path) -> dict[str, Any] | None:
    """Header of a trail file; None when the file is empty or its header unfinished."""
    with path.open("rb") as file:
        line = file.readline()
    if not line.endswith(b"\n"):
        return None
    header = json.loads(line)
    return header if isinstance(header, dict) and "trail" in header else None


#: Place of a record in its transaction.
FIRST, MIDDLE, LAST, WHOLE = range(4)
#: Operations of one record, at most.
OPERATIONS = 10


def records_of(transaction: dict[str, Any]) -> list[dict[str, Any]]:
    """Records of a transaction; one of several operations has at least two."""
    ops = transaction["ops"]
    size = max(1, min(OPERATIONS, len(ops) // 2))
    pieces = [ops[begin : begin + size] for begin in range(0, len(ops), size)] or [[]]
    places = [WHOLE] if len(pieces) == 1 else [FIRST, *[MIDDLE] * (len(pieces) - 2), LAST]
    return [{**transaction, "ops": piece, "place": place} for piece, place in zip(pieces, places, strict=True)]


def begins(record: dict[str, Any]) -> bool:
    """The record is the first of its transaction."""
    return record.get("place", WHOLE) in (FIRST, WHOLE)


def ends(record: dict[str, Any]) -> bool:
    """The record is the last of its transaction."""
    return record.get("place", WHOLE) in (LAST, WHOLE)


def encode(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


@dataclass
class Writer:
    """The one writer of a trail.

    :param prefix: path without sequence number, as ``<ogg>/dirdat/em``.
    :param incarnation: identifies the ADD EXTRACT that writes; files of another one are overwritten.
    :param limit: size in bytes at which the next file begins.
    :param digits: digits of the sequence number: 6 in release 11.2, 9 later.
    :param release: format of the files: FORMAT RELEASE, else the writer's release.
    """

    prefix: Path
    incarnation: str
    limit: int
    digits: int = 9
    release: str = "19.1"
    seq: int = 0
    last: dict[str, Any] | None = None
    _file: IO[bytes] | None = None
    _rba: int = 0
    _torn: bool = False

    def open(self, *, whole: bool = False) -> dict[str, Any] | None:
        """Open at the end of the last complete record.

        :param whole: at the end of the last complete transaction.
        :returns: that record, None when nothing has been written by this incarnation.
        """
        self.prefix.parent.mkdir(parents=True, exist_ok=True)
        existing = files(self.prefix)
        own = [s for s, p in existing.items() if (header_of(p) or {}).get("incarnation") == self.incarnation]
        for seq, path in existing.items():
            if seq not in own:
                path.unlink()
        if not own:
            self._begin(0)
            return None
        for seq in reversed(own):
            end, line = _last_line(existing[seq])
            while whole and line is not None and not ends(json.loads(line)):
                end, line = _last_line(existing[seq], end - len(line) - 1)
            if seq == own[-1]:
                self.seq = seq
                self._file = existing[seq].open("r+b")
                self._file.truncate(end)
                self._file.seek(end)
                self._rba = end
            if line is not None:
                self.last = json.loads(line)
                break
        return self.last

    @property
    def position(self) -> Position:
        return Position(self.seq, self._rba)

    @property
    def path(self) -> Path:
        return file_name(self.prefix, self.seq, self.digits)

    def _begin(self, seq: int) -> None:
        if self._file:
            self._file.close()
        self.seq = seq
        self._file = self.path.open("wb")
        header = {"trail": self.prefix.name, "seq": seq, "incarnation": self.incarnation, "format": self.release}
        self._file.write(encode(header))
        self._file.flush()
        self._rba = self._file.tell()

    def roll_over(self) -> None:
        """Begin the next file."""
        self._begin(self.seq + 1)

    def append(self, line: bytes, *, roll: bool = True) -> Position:
        """Append one encoded record; :meth:`flush` makes it visible.

        :param roll: it may begin the next file.
        :returns: the position behind the record.
        """
        assert self._file is not None
        if self._torn:
            self._file.truncate(self._rba)
            self._file.seek(self._rba)
            self._torn = False
        if roll and self._rba + len(line) > self.limit and self._rba > 200:
            self._file.flush()
            self.roll_over()
        self._file.write(line)
        self._rba += len(line)
        return self.position

    def append_transaction(self, transaction: dict[str, Any]) -> Position:
        """Append all records of a transaction, to one file."""
        for number, record in enumerate(records_of(transaction)):
            self.append(encode(record), roll=number == 0)
        return self.position

    def tear(self, piece: bytes) -> None:
        """Leave the beginning of a record at the end; the next record replaces it."""
        assert self._file is not None
        self._file.write(piece)
        self._file.flush()
        self._torn = True

    def flush(self) -> None:
        if self._file:
            self._file.flush()

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None


def _last_line(path: Path, size: int | None = None) -> tuple[int, bytes | None]:
    """End of the last complete line and that line; None when only the header is there.

    :param size: number of the file's bytes that count.
    """
    size = path.stat().st_size if size is None else size
    with path.open("rb") as file:
        header_end = len(file.readline())
        block = 1 << 16
        while True:
            start = max(header_end, size - block)
            file.seek(start)
            data = file.read(size - start)
            end = data.rfind(b"\n")
            if end >= 0:
                before = data.rfind(b"\n", 0, end)
                if before >= 0 or start == header_end:
                    return start + end + 1, data[before + 1 : end]
            elif start == header_end:
                return header_end, None
            block *= 4


class Reader:
    """Follows a trail from a position.

    :param prefix: path without sequence number.
    :param position: None for the beginning of the first file.
    :param incarnation: incarnation that the position belongs to, None when nothing has been read yet.
    :param release: release of the reader, which cannot read a later format.
    """

    def __init__(
        self, prefix: Path, position: Position | None, incarnation: str | None = None, release: str = "99.9"
    ) -> None:
        self.prefix = prefix
        self.position = position or Position(0, 0)
        self.incarnation = incarnation
        self.release = release
        #: Format of the file that is read.
        self.format = ""
        self._file: IO[bytes] | None = None
        self._path: Path | None = None
        #: True when the last read found nothing more.
        self.at_end = False
        #: Bytes of an unfinished record that the last read found at the end.
        self.torn = 0

    @property
    def path(self) -> Path:
        return self._path or file_name(self.prefix, self.position.seq, 9)

    def _open(self) -> bool:
        existing = files(self.prefix)
        path = existing.get(self.position.seq)
        if path is None:
            if self.position.rba == 0 and existing and self.position.seq < min(existing):
                self.position = Position(min(existing), 0)
                path = existing[self.position.seq]
            elif self.position.rba and existing:
                raise TrailError(f'Unable to open file "{self.path}" (error 2, No such file or directory)')
            else:
                return False
        header = header_of(path)
        if header is None:
            return False
        self.format = str(header["format"])
        if numbers(self.format) > numbers(self.release):
            raise Abend(
                "OGG-02598",
                f"File {path}, with trail format release {self.format}, is not compatible with the current software "
                f"version's trail file format release {self.release}. Modify the capture parameter file to generate "
                f"the appropriate format using the FORMAT RELEASE {self.release} option.",
            )
        if self.incarnation not in (None, header["incarnation"]):
            raise TrailError(f"Incompatible record in {path}, rba {self.position.rba} when getting trail header.")
        if self.position.rba > path.stat().st_size:
            raise TrailError(f"Incompatible record in {path}, rba {self.position.rba} beyond the end of file.")
        self.incarnation = header["incarnation"]
        self._path = path
        self._file = path.open("rb")
        if self.position.rba == 0:
            self._file.readline()
            self.position = Position(self.position.seq, self._file.tell())
        else:
            self._file.seek(self.position.rba - 1)
            if self._file.read(1) != b"\n":
                raise TrailError(f"Incompatible record in {path}, rba {self.position.rba} (not at a record).")
        return True

    def ready(self) -> bool:
        """The file at the position is there, and this process can read it."""
        return self._file is not None or self._open()

    def read(self, records: int, size: int = 1 << 20) -> Iterator[tuple[dict[str, Any], Position]]:
        """Yield up to ``records`` records (or about ``size`` bytes) with the position behind each.

        :raises TrailError: the position is not in the trail.
        """
        taken = volume = 0
        self.at_end, self.torn = False, 0
        while taken < records and volume < size:
            if self._file is None and not self._open():
                self.at_end = True
                return
            assert self._file is not None
            line = self._file.readline()
            if line.endswith(b"\n"):
                self.position = Position(self.position.seq, self.position.rba + len(line))
                taken += 1
                volume += len(line)
                yield json.loads(line), self.position
                continue
            self._file.seek(self.position.rba)
            if not line and self.position.seq + 1 in files(self.prefix):
                # The writer flushes a file before it begins the next: read once more after the end.
                if self._file.read(1):
                    self._file.seek(self.position.rba)
                    continue
                self.close()
                self.position = Position(self.position.seq + 1, 0)
                continue
            self.at_end, self.torn = True, len(line)
            return

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
