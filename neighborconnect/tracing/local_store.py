"""Local store of spans: files of the last hours in the data folder, for their owner only.

Each process appends to a file of its own, in the JSON Lines form of OTLP, which an OpenTelemetry collector can read
too (``otlpjsonfile``). Beginning a file deletes old files, and the oldest ones above the size of the folder.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson

from neighborconnect.tracing.stored_traces import StoredSpan, spans_of

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
MAX_FOLDER_BYTES: Final = 64 * 1024 * 1024
FILE_SECONDS: Final = 900.0
"""A process begins another file after this time."""
RETENTION_SECONDS: Final = 6 * 3_600.0
"""Files that were last written before this are deleted."""
_SUFFIX: Final = ".jsonl"


class LocalSpanFile(io.TextIOBase):
    """Stream that writes lines to files of bounded size, and bounds the folder that they are in."""

    def __init__(self, folder: Path, *, service: str) -> None:
        """Create no file yet; the first line does.

        Args:
            folder: folder of the files of all processes.
            service: name of the process, which begins the name of each file.
        """
        self._folder = folder
        self._service = service
        self._file: io.FileIO | None = None
        self._began_at = 0.0
        self._bytes = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Append a line, in one write, so that a reader sees whole lines."""
        content = text.encode()
        is_full = self._bytes + len(content) > MAX_FILE_BYTES
        if self._file is None or is_full or time.monotonic() - self._began_at > FILE_SECONDS:
            self._begin_file()
        assert self._file is not None  # noqa: S101 (``_begin_file`` opened it)
        self._file.write(content)
        self._bytes += len(content)
        return len(text)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()

    def _begin_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        prune(self._folder)
        path = self._folder / f"{self._service}-{os.getpid()}-{time.time_ns() // 1_000_000}{_SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        self._file = io.FileIO(descriptor, "ab", closefd=True)
        self._began_at, self._bytes = time.monotonic(), 0


def prune(folder: Path) -> None:
    """Delete files after their retention, and the oldest ones above the size of the folder."""
    total = 0
    for modified_at, size, path in sorted(_files(folder), reverse=True):
        total += size
        if time.time() - modified_at > RETENTION_SECONDS or total + MAX_FILE_BYTES > MAX_FOLDER_BYTES:
            path.unlink(missing_ok=True)


def read_spans(folder: Path, *, max_bytes: int = MAX_FOLDER_BYTES) -> Iterator[StoredSpan]:
    """Yield the stored spans of the newest files, in no order. A line that is not whole is skipped.

    Args:
        folder: the folder.
        max_bytes: reading stops after the file that reaches this size.
    """
    total = 0
    for _, size, path in sorted(_files(folder), reverse=True):
        if total >= max_bytes:
            return
        total += size
        with suppress(FileNotFoundError), path.open("rb") as lines:  # Another process may delete it.
            for line in lines:
                try:
                    batch = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                yield from spans_of(batch)


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for path in folder.glob(f"*{_SUFFIX}"):
        with suppress(FileNotFoundError):
            state = path.stat()
            yield state.st_mtime, state.st_size, path
