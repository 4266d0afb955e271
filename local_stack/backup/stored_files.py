"""Files of a backup: compressed, optionally encrypted for age recipients, and identified by their SHA-256.

Files are written and read as streams, so that their size does not matter. The checksum is that of the stored bytes:
it can be verified without the key.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyrage
from pydantic import BaseModel

from local_stack.errors import StackError

CHUNK_BYTES = 1024 * 1024
GZIP = ".gz"
AGE = ".age"
_GZIP_WINDOW = 31
# Compression shares two processors with the platform; higher levels cost several times more and save little.
_GZIP_LEVEL = 1
_SECRET_KEY = "AGE-SECRET-KEY-"  # noqa: S105 - a prefix

Progress = Callable[[int], None]


class Source(Protocol):
    """Stream that is stored."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; empty at the end."""


class StoredFile(BaseModel):
    """A stored file: its path in the backup, its size in bytes, and the SHA-256 of its stored bytes."""

    name: str
    bytes: int
    sha256: str


class DamagedFileError(StackError):
    """A file of a backup is missing or differs from what was stored."""


def parse_recipients(texts: Sequence[str]) -> list[Any]:
    """Return age recipients of public keys (``age1…``, ``ssh-ed25519 …``, ``ssh-rsa …``).

    Raises:
        StackError: one of them is not a public key.
    """
    recipients = []
    for text in texts:
        kind = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
        try:
            recipients.append(kind.Recipient.from_str(text.strip()))
        except pyrage.RecipientError as error:
            raise StackError(f"{text!r} is not the public key of an age recipient: {error}.") from None
    return recipients


def read_identities(path: Path) -> list[Any]:
    """Return the private keys of an age identity file (as ``age-keygen`` writes it) or of an SSH key.

    Raises:
        StackError: the file cannot be read or has no private key.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if _SECRET_KEY in text:
            lines = (line.strip() for line in text.splitlines())
            return [pyrage.x25519.Identity.from_str(line) for line in lines if line.startswith(_SECRET_KEY)]
        return [pyrage.ssh.Identity.from_buffer(text.encode())]
    except (OSError, ValueError, pyrage.IdentityError) as error:
        raise StackError(f"{path} has no age identity or SSH private key: {error}.") from None


class _Compressed:
    """Gzip stream of a source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._compressor: Any = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW)
        self._ready = bytearray()

    def read(self, size: int = -1, /) -> bytes:
        while self._compressor is not None and (size < 0 or len(self._ready) < size):
            if chunk := self._source.read(CHUNK_BYTES):
                self._ready += self._compressor.compress(chunk)
            else:
                self._ready += self._compressor.flush()
                self._compressor = None
        size = len(self._ready) if size < 0 else size
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken


class _Hashing:
    """File that hashes what is written to it, and remembers its error: pyrage raises another one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.bytes = 0
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            self._file.write(data)
        except OSError as error:
            self.error = error
            raise
        self.digest.update(data)
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()


def store(path: Path, source: Source, *, recipients: Sequence[Any], compress: bool = True) -> StoredFile:
    """Write a stream to ``path`` plus the suffixes of its form, readable by the owner only.

    Raises:
        OSError: the file cannot be written, such as with a full disk.
    """
    name = path.name + (GZIP if compress else "") + (AGE if recipients else "")
    stream = _Compressed(source) if compress else source
    descriptor = os.open(path.with_name(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        target = _Hashing(file)
        if recipients:
            try:
                pyrage.encrypt_io(stream, target, list(recipients))
            except pyrage.EncryptError as error:
                raise target.error or OSError(errno.EIO, str(error)) from None
        else:
            while chunk := stream.read(CHUNK_BYTES):
                target.write(chunk)
    return StoredFile(name=name, bytes=target.bytes, sha256=target.digest.hexdigest())


def check(path: Path, *, sha256: str) -> None:
    """Compare a stored file with its checksum.

    Raises:
        DamagedFileError: it is missing or differs.
    """
    try:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read ({error.strerror}): the backup is incomplete.") from None
    if actual != sha256:
        raise DamagedFileError(f"{path} differs from what the backup stored: its checksum is {actual}, not {sha256}.")


class _Target:
    """Target that remembers its error, which pyrage would replace by one of its own."""

    def __init__(self, target: Any, *, is_compressed: bool) -> None:
        self._target = target
        self._decompressor = zlib.decompressobj(wbits=_GZIP_WINDOW) if is_compressed else None
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        content = self._decompressor.decompress(data) if self._decompressor else data
        try:
            self._target.write(content)
        except OSError as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        self._target.flush()

    @property
    def is_complete(self) -> bool:
        return self._decompressor is None or self._decompressor.eof


def copy_to(path: Path, target: Any, *, identities: Sequence[Any], is_encrypted: bool | None = None) -> None:
    """Write the original content of a stored file to ``target``; its form is read from the suffixes of its name.

    Contents of objects have no suffix: ``is_encrypted`` says whether they are encrypted.

    Raises:
        DamagedFileError: the file is damaged, or no identity can decrypt it.
        OSError: ``target`` cannot be written.
    """
    sink = _Target(target, is_compressed=path.name.removesuffix(AGE).endswith(GZIP))
    try:
        with path.open("rb") as file:
            if not (path.name.endswith(AGE) if is_encrypted is None else is_encrypted):
                shutil.copyfileobj(file, sink, CHUNK_BYTES)
            elif identities:
                pyrage.decrypt_io(file, sink, list(identities))
            else:
                raise DamagedFileError(f"{path.name} is encrypted: pass the file of its age identity (--identity).")
    except (pyrage.DecryptError, zlib.error, OSError) as error:
        if sink.error is not None:
            raise sink.error from None
        raise DamagedFileError(f"{path} cannot be read: {error}.") from None
    if not sink.is_complete:
        raise DamagedFileError(f"{path} ends too early: the backup is incomplete.")


@contextmanager
def open_stored(path: Path, *, identities: Sequence[Any]) -> Iterator[BinaryIO]:
    """Yield the original content of a stored file as a stream.

    Raises:
        DamagedFileError: as ``copy_to``.
    """
    reader, writer = os.pipe()
    errors: list[BaseException] = []

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "wb", buffering=0) as pipe:
            try:
                copy_to(path, _Pipe(pipe), identities=identities)
            except DamagedFileError as error:
                errors.append(error)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        with os.fdopen(reader, "rb") as pipe:
            yield pipe
            while pipe.read(CHUNK_BYTES):
                pass
    finally:
        thread.join()
        if errors:
            # An error of the reader, such as an early end, is the consequence.
            raise errors[0]


class _Pipe:
    """Writes everything to an unbuffered pipe."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            view = view[self._pipe.write(view) :]
        return len(data)

    def flush(self) -> None:
        """Do nothing: the pipe has no buffer."""


class Counted:
    """Source that reports the number of bytes read so far."""

    def __init__(self, source: Source, progress: Progress) -> None:
        self._source = source
        self._progress = progress
        self.bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; empty at the end."""
        chunk = self._source.read(size)
        self.bytes += len(chunk)
        self._progress(self.bytes)
        return chunk
