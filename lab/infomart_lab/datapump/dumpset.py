"""The dump file set: files in a format of the lab's own; each names its set.

A file is a magic word, a header (JSON), blocks and a trailer. A block is ``length of the raw bytes, length as stored,
CRC-32 of the stored bytes, flag`` and the bytes. The set's catalogue (what Data Pump calls the master table) is written
last, into blocks like the others; each trailer says where it is and how many files there are.
"""

from __future__ import annotations

import json
import os
import re
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel

MAGIC = b"INFOMARTLABDUMP1"
_BLOCK = struct.Struct("<IIIB")
_TRAILER = struct.Struct("<I16s")
_END = b"LABDUMPSETENDS01"
_STORED, _PACKED = 0, 1
BLOCK_SIZE = 1024 * 1024


class Extent(BaseModel):
    """Blocks that lie together in one file."""

    file: int
    offset: int
    blocks: int


class Header(BaseModel):
    """Header of each file of a set."""

    set_id: str
    file: int
    owner: str
    job: str
    release: str
    flashback_scn: int | None = None
    created: str


class Trailer(BaseModel):
    """Trailer of each file, written once the set is complete."""

    set_id: str
    files: int
    catalogue: list[Extent]


class DumpError(Exception):
    """A dump file cannot be used.

    :param kind: ``exists``, ``missing``, ``foreign``, ``invalid``, ``other-set``, ``incomplete``, ``full``, ``write``.
    :param path: the file, or what is missing.
    """

    def __init__(self, kind: str, path: str, other: str = "") -> None:
        self.kind, self.path, self.other = kind, path, other
        super().__init__(f"{kind}: {path}")


def expand(template: str, number: int) -> str:
    """Put a number into ``%U`` (two digits, or more once they are needed); ``%L`` works the same way."""
    return re.sub(r"%[UuLl]", f"{number:02}", template)


def is_template(name: str) -> bool:
    return bool(re.search(r"%[UuLl]", name))


class _Output:
    """One dump file that is being written."""

    def __init__(self, path: Path, number: int, header: Header, *, again: bool) -> None:
        self.path, self.number = path, number
        # a process may have been killed between the record of the file and its first bytes
        again = again and path.exists()
        self.handle: BinaryIO = path.open("r+b" if again else "xb")
        self.size = self.handle.seek(0, os.SEEK_END)
        if not self.size:
            text = header.model_copy(update={"file": number}).model_dump_json().encode()
            self.size = self.handle.write(MAGIC + struct.pack("<I", len(text)) + text)
            self.handle.flush()


class DumpWriter:
    """Writes a set from several threads, each with a file of its own at a time.

    :param templates: paths, some with ``%U``; files are made in this order as they are needed.
    :param filesize: bytes of the largest file; 0 for no limit.
    :param on_file: called with path and number before a file is created, so that a restart knows the file after a
        crash.
    :param known: files that an earlier start of the job has made, as ``(path, number)``.
    """

    def __init__(
        self,
        templates: list[Path],
        header: Header,
        *,
        filesize: int = 0,
        reuse: bool = False,
        compress: bool = True,
        on_file: Callable[[str, int], None] = lambda path, number: None,
        known: list[tuple[str, int]] | None = None,
    ) -> None:
        self.header, self.filesize, self.compress = header, filesize, compress
        self._reuse, self._on_file = reuse, on_file
        self._names = self._paths(templates)
        self._outputs: dict[int, _Output] = {}
        self._free: list[_Output] = []
        self._lock = threading.Lock()
        self.bytes_written = 0
        for path, number in known or []:
            output = _Output(Path(path), number, header, again=True)
            self._outputs[number] = output
            if not filesize or output.size < filesize:
                self._free.append(output)
        taken = {output.path for output in self._outputs.values()}
        self._names = (path for path in self._paths(templates) if path not in taken)

    @staticmethod
    def _paths(templates: list[Path]) -> Iterator[Path]:
        counters = {template: 0 for template in templates}
        while counters:
            for template in list(counters):
                counters[template] += 1
                if not is_template(template.name):
                    del counters[template]
                    yield template
                elif counters[template] > 9999:
                    del counters[template]
                else:
                    yield template.with_name(expand(template.name, counters[template]))

    @property
    def block_size(self) -> int:
        return max(4096, min(BLOCK_SIZE, self.filesize // 4)) if self.filesize else BLOCK_SIZE

    def open_first(self, count: int) -> int:
        """Make the first ``count`` files, or as many as have names; returns how many there are.

        :raises DumpError: ``exists`` without reuse, ``write``, or ``full`` when there is no name at all.
        """
        with self._lock:
            while len(self._outputs) < count:
                try:
                    self._free.append(self._new())
                except DumpError as error:
                    if error.kind == "full" and self._outputs:
                        break
                    raise
            return len(self._outputs)

    def files(self) -> list[tuple[str, int]]:
        """Path and bytes of every file."""
        return [(str(o.path), o.size) for _, o in sorted(self._outputs.items())]

    def _new(self) -> _Output:
        path = next(self._names, None)
        if path is None:
            raise DumpError("full", "")
        number = len(self._outputs) + 1
        if path.exists():
            if not self._reuse:
                raise DumpError("exists", str(path))
            path.unlink()
        self._on_file(str(path), number)
        try:
            output = _Output(path, number, self.header, again=False)
        except FileExistsError:
            raise DumpError("exists", str(path)) from None
        except OSError as error:
            raise DumpError("write", str(path), str(error)) from None
        self._outputs[number] = output
        return output

    def _take(self) -> _Output:
        with self._lock:
            return self._free.pop(0) if self._free else self._new()

    def stream(self) -> DumpStream:
        """A place to write the bytes of one object; only one thread may use it."""
        return DumpStream(self)

    def finish(self, catalogue: bytes) -> None:
        """Write the catalogue and every file's trailer; nothing can be written afterwards."""
        stream = self.stream()
        stream.write(catalogue)
        extents = stream.close()
        trailer = Trailer(set_id=self.header.set_id, files=len(self._outputs), catalogue=extents)
        text = trailer.model_dump_json().encode()
        for output in self._outputs.values():
            output.handle.seek(0, os.SEEK_END)
            output.handle.write(text + _TRAILER.pack(len(text), _END))
            output.handle.flush()
            os.fsync(output.handle.fileno())
            output.size = output.handle.tell()
        self.close()

    def close(self) -> None:
        for output in self._outputs.values():
            output.handle.close()


class DumpStream:
    """Bytes of one object on their way into a set."""

    def __init__(self, writer: DumpWriter) -> None:
        self._writer = writer
        self._buffer = bytearray()
        self._output: _Output | None = None
        self._extents: list[Extent] = []
        self.bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        self._buffer += data
        size = self._writer.block_size
        while len(self._buffer) >= size:
            self._block(bytes(self._buffer[:size]))
            del self._buffer[:size]

    def _block(self, raw: bytes) -> None:
        writer = self._writer
        packed = zlib.compress(raw, 1) if writer.compress else raw
        flag = _PACKED if writer.compress and len(packed) < len(raw) else _STORED
        stored = packed if flag else raw
        length = _BLOCK.size + len(stored)
        if self._output is None:
            self._output = writer._take()
        if writer.filesize and self._output.size + length > writer.filesize:
            # this file is done: it is not given back
            self._output = writer._take()
        output = self._output
        last = self._extents[-1] if self._extents else None
        if last is None or last.file != output.number:
            self._extents.append(Extent(file=output.number, offset=output.size, blocks=0))
            last = self._extents[-1]
        try:
            output.handle.write(_BLOCK.pack(len(raw), len(stored), zlib.crc32(stored), flag))
            output.handle.write(stored)
        except OSError as error:
            raise DumpError("write", str(output.path), str(error)) from None
        output.size += length
        last.blocks += 1
        self.bytes += len(raw)
        writer.bytes_written += length

    def close(self) -> list[Extent]:
        """Write what is left and give the file back.

        :returns: where the bytes are, in order.
        """
        try:
            if self._buffer:
                self._block(bytes(self._buffer))
                self._buffer.clear()
            if self._output is not None:
                self._output.handle.flush()
            return self._extents
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Give the file back without the rest; what was written stays in it and is never read."""
        if self._output is not None:
            with self._writer._lock:
                self._writer._free.insert(0, self._output)
            self._output = None


class DumpSet:
    """A complete set for reading.

    :param paths: the files that DUMPFILE names, in any order.
    :raises DumpError: a file is missing, foreign, damaged or of another set, or the set is incomplete.
    """

    def __init__(self, paths: list[Path]) -> None:
        self.paths: dict[int, Path] = {}
        first: Header | None = None
        trailer: Trailer | None = None
        for path in paths:
            header, trailer = _read_ends(path)
            first = first or header
            if header.set_id != first.set_id:
                raise DumpError("other-set", str(path), str(paths[0]))
            self.paths[header.file] = path
        if first is None or trailer is None:
            raise DumpError("incomplete", "no dump file")
        if len(self.paths) != trailer.files:
            missing = sorted(set(range(1, trailer.files + 1)) - self.paths.keys())
            raise DumpError("incomplete", "file number " + ", ".join(map(str, missing)))
        self.header = first
        self._trailer = trailer

    def catalogue(self) -> dict[str, Any]:
        """The catalogue that :meth:`DumpWriter.finish` was given, as JSON."""
        try:
            return json.loads(b"".join(self.read(self._trailer.catalogue)))
        except ValueError:
            raise DumpError("invalid", str(self.paths[self._trailer.catalogue[0].file])) from None

    def read(self, extents: list[Extent]) -> Iterator[bytes]:
        """Bytes of an object, block by block.

        :raises DumpError: ``invalid``, a block is damaged.
        """
        for extent in extents:
            path = self.paths[extent.file]
            with path.open("rb") as file:
                file.seek(extent.offset)
                for _ in range(extent.blocks):
                    head = file.read(_BLOCK.size)
                    if len(head) < _BLOCK.size:
                        raise DumpError("invalid", str(path))
                    length, stored_length, checksum, flag = _BLOCK.unpack(head)
                    if max(length, stored_length) > 2 * BLOCK_SIZE:
                        raise DumpError("invalid", str(path))
                    stored = file.read(stored_length)
                    if zlib.crc32(stored) != checksum:
                        raise DumpError("invalid", str(path))
                    raw = zlib.decompress(stored) if flag == _PACKED else stored
                    if len(raw) != length:
                        raise DumpError("invalid", str(path))
                    yield raw


def find(templates: list[Path]) -> list[Path]:
    """Files that DUMPFILE names for an import; ``%U`` ends at the first number without a file.

    :raises DumpError: ``missing``.
    """
    found = []
    for template in templates:
        if not is_template(template.name):
            if not template.exists():
                raise DumpError("missing", str(template))
            found.append(template)
            continue
        number = 1
        while (path := template.with_name(expand(template.name, number))).exists():
            found.append(path)
            number += 1
        if number == 1:
            raise DumpError("missing", str(path))
    return found


def _read_ends(path: Path) -> tuple[Header, Trailer]:
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise DumpError("foreign", str(path))
            (length,) = struct.unpack("<I", file.read(4))
            header = Header.model_validate_json(file.read(min(length, 65536)))
            end = file.seek(0, os.SEEK_END)
            file.seek(end - _TRAILER.size)
            length, mark = _TRAILER.unpack(file.read(_TRAILER.size))
            if mark != _END or length > end:
                raise DumpError("invalid", str(path))
            file.seek(end - _TRAILER.size - length)
            trailer = Trailer.model_validate_json(file.read(length))
    except (ValueError, struct.error, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise DumpError("missing", str(path)) from None
        raise DumpError("invalid", str(path)) from None
    if trailer.set_id != header.set_id:
        raise DumpError("invalid", str(path))
    return header, trailer
