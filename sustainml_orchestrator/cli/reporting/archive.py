"""A compressed tar archive in memory, made and read without a file of its content on disk."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Mapping
from typing import BinaryIO

#: Limits of an archive that is read, which may come from anywhere: bytes of all its content, of one
#: file, and the number of files.
MAX_CONTENT, MAX_FILE, MAX_FILES = 256 * 2**20, 64 * 2**20, 2000
_UNREADABLE = (
    tarfile.TarError, OSError, EOFError, zlib.error, ValueError, ArithmeticError, LookupError,
    RecursionError, MemoryError,
)  # fmt: skip


class ArchiveError(ValueError):
    """It is no archive, it is damaged, or it holds more than a report does."""


def pack(entries: Mapping[str, bytes], stamp: float) -> bytes:
    """An archive of these files, which only their user can read; `stamp` is in s since 1970."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, content in entries.items():
            about = tarfile.TarInfo(name)
            about.size, about.mode, about.mtime = len(content), 0o600, int(stamp)
            archive.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


def unpack(source: BinaryIO) -> dict[str, bytes]:
    """The plain files of an archive by name; links, devices and folders are left out.

    Raises:
        ArchiveError: it cannot be read, or exceeds a limit.
    """
    entries: dict[str, bytes] = {}
    try:
        with gzip.GzipFile(fileobj=source) as unzipped:
            stream = _Limited(unzipped)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for number, member in enumerate(archive):
                    if number >= MAX_FILES:
                        raise ArchiveError(f"it has more than {MAX_FILES} files")
                    if member.type not in tarfile.REGULAR_TYPES or member.issparse():
                        continue
                    if member.size > MAX_FILE:
                        limit = f"{MAX_FILE // 2**20} MiB"
                        raise ArchiveError(f"one of its files is larger than {limit}")
                    content = archive.extractfile(member)
                    entries[member.name] = content.read() if content is not None else b""
    except ArchiveError:
        raise
    except _UNREADABLE as error:
        raise ArchiveError(str(error) or type(error).__name__) from error
    return entries


class _Limited(io.RawIOBase):
    """A stream that ends with an error after `MAX_CONTENT` bytes."""

    def __init__(self, source: gzip.GzipFile) -> None:
        self._source, self._left = source, MAX_CONTENT

    def read(self, size: int = -1) -> bytes:
        """As of any stream."""
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        data = self._source.read(wanted)
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveError(f"it holds more than {MAX_CONTENT // 2**20} MiB")
        return data
