"""Object store's part of a backup: a listing per backup, and a store of contents that all backups share.

A content is stored once, under the SHA-256 of its stored bytes. An index in the home remembers which object was stored
as which content, so that a later backup copies only new and changed objects.
"""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import urllib3
from minio import Minio
from minio.error import S3Error

from local_stack.backup.manifest import BucketState
from local_stack.backup.stored_files import StoredFile, open_stored, store
from local_stack.errors import StackError
from local_stack.ports import HOST
from local_stack.stack import Stack, write_private_file

FOLDER = "objects"
LISTING = "objects.jsonl"
REFERENCES = "objects.list"
"""File with the names of the stored contents, which no key is needed to read."""
THREADS = 4
_HEADERS = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language")
_USER_HEADER = "x-amz-meta-"
_DELTA_LOG = "/_delta_log/"
# A hint to the newest checkpoint of a Delta table: readers list the log without it.
_CHECKPOINT_HINT = "/_delta_log/_last_checkpoint"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ListedObject:
    """Object of a listing."""

    bucket: str
    key: str
    etag: str
    bytes: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Object of a backup: its content is stored as ``stored``; ``sha256`` is that of the original bytes."""

    bucket: str
    key: str
    etag: str
    bytes: int
    sha256: str
    stored: str
    stored_bytes: int
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class CopiedObjects:
    """Stored objects of a backup, its buckets, and the size of what was new."""

    objects: list[StoredObject]
    buckets: dict[str, BucketState]
    new_bytes: int


def s3_with_retries(stack: Stack) -> Minio:
    """Return a client that waits for large objects and repeats failed requests."""
    return Minio(
        f"{HOST}:{stack.ports.s3}",
        access_key=stack.secrets["s3_access"],
        secret_key=stack.secrets["s3_secret"],
        region="us-east-1",
        secure=False,
        http_client=urllib3.PoolManager(
            timeout=urllib3.Timeout(60), maxsize=THREADS, retries=urllib3.Retry(3, backoff_factor=0.2)
        ),
    )


def content_path(place: Path, name: str) -> Path:
    """Return the path of a stored content."""
    return place / FOLDER / name[:2] / name


def list_objects(stack: Stack, buckets: Iterable[str]) -> list[ListedObject]:
    """List the objects of buckets so that every file that a Delta log names is in the list.

    A writer stores data files before the log entry that names them. So the logs are listed first: what an entry of
    the first listing names existed before the second one.
    """
    client = s3_with_retries(stack)

    def listing(bucket: str) -> dict[str, ListedObject]:
        found = client.list_objects(bucket, recursive=True)
        return {item.object_name: ListedObject(bucket, item.object_name, item.etag, item.size or 0) for item in found}

    objects: list[ListedObject] = []
    for bucket in buckets:
        logs = {key: item for key, item in listing(bucket).items() if _DELTA_LOG in f"/{key}"}
        others = {key: item for key, item in listing(bucket).items() if _DELTA_LOG not in f"/{key}"}
        objects += [item for key, item in sorted((logs | others).items()) if not key.endswith("/")]
    return objects


class _Hashed:
    """Source that hashes what is read from it."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.digest = hashlib.sha256()
        self.bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        chunk: bytes = self._source.read(size if size > 0 else None)
        self.digest.update(chunk)
        self.bytes += len(chunk)
        return chunk


def _index_path(stack: Stack) -> Path:
    return stack.home / "backup" / "objects.json"


def _read_index(stack: Stack) -> dict[str, Any]:
    try:
        content = json.loads(_index_path(stack).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _identity(place: Path, recipients: Sequence[str]) -> str:
    """Return what the contents of an index depend on: the folder of the backups and who can decrypt them."""
    return json.dumps([str(place), sorted(recipients)])


def copy_objects(
    stack: Stack,
    place: Path,
    listed: Sequence[ListedObject],
    *,
    recipients: Sequence[Any],
    recipient_names: Sequence[str],
    is_partial: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> CopiedObjects:
    """Copy the listed objects that no earlier backup has stored.

    The index then has the listed objects; with ``is_partial`` it also keeps the others.

    Raises:
        OSError: the contents cannot be written, such as with a full disk.
    """
    identity = _identity(place, recipient_names)
    index = _read_index(stack)
    known: dict[str, Any] = index.get("objects", {}) if index.get("identity") == identity else {}
    client = s3_with_retries(stack)
    (place / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)

    def copy(item: ListedObject) -> tuple[StoredObject | None, int]:
        if (earlier := known.get(_id(item))) is not None:
            same = StoredObject(**earlier)
            path = content_path(place, same.stored)
            if same.etag == item.etag and path.exists() and path.stat().st_size == same.stored_bytes:
                return same, 0
        return _download(client, place, item, recipients=recipients)

    objects, new_bytes = [], 0
    deleted: defaultdict[str, list[str]] = defaultdict(list)
    with ThreadPoolExecutor(THREADS) as threads:
        for done, (item, (stored, added)) in enumerate(zip(listed, threads.map(copy, listed), strict=True), start=1):
            progress(done, len(listed))
            new_bytes += added
            if stored is None:
                deleted[item.bucket].append(item.key)
            else:
                objects.append(stored)
    _write_index(stack, identity, (known if is_partial else {}) | {_id(each): asdict(each) for each in objects})
    buckets = {
        bucket: BucketState(
            objects=sum(each.bucket == bucket for each in objects),
            bytes=sum(each.bytes for each in objects if each.bucket == bucket),
            deleted_meanwhile=deleted[bucket],
        )
        for bucket in dict.fromkeys(item.bucket for item in listed)
    }
    return CopiedObjects(objects, buckets, new_bytes)


def _id(item: ListedObject | StoredObject) -> str:
    return f"{item.bucket}/{item.key}"


def _write_index(stack: Stack, identity: str, known: dict[str, Any]) -> None:
    path = _index_path(stack)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_private_file(path, json.dumps({"identity": identity, "objects": known}))


def _download(
    client: Minio, place: Path, item: ListedObject, *, recipients: Sequence[Any]
) -> tuple[StoredObject | None, int]:
    """Store an object; None if it was deleted since, or if it is a checkpoint hint that changed since."""
    try:
        response = client.get_object(item.bucket, item.key)
    except S3Error as error:
        if error.code in ("NoSuchKey", "NoSuchObject"):
            return None, 0
        raise
    temporary = place / FOLDER / f".part-{uuid.uuid4().hex}"
    try:
        etag = response.headers.get("etag", "").strip('"')
        if etag != item.etag and item.key.endswith(_CHECKPOINT_HINT):
            return None, 0
        source = _Hashed(response)
        stored = store(temporary, source, recipients=recipients, compress=False)
        expected = int(response.headers.get("content-length", source.bytes))
        if source.bytes != expected:
            raise StackError(f"{item.bucket}/{item.key} ended after {source.bytes} of {expected} bytes.")
        path = content_path(place, stored.sha256)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        temporary.with_name(stored.name).replace(path)
    finally:
        for left in (temporary, temporary.with_name(f"{temporary.name}.age")):
            left.unlink(missing_ok=True)
        response.close()
        response.release_conn()
    headers = {
        name.lower(): value
        for name, value in response.headers.items()
        if name.lower() in _HEADERS or name.lower().startswith(_USER_HEADER)
    }
    stored_object = StoredObject(
        bucket=item.bucket,
        key=item.key,
        etag=etag,
        bytes=source.bytes,
        sha256=source.digest.hexdigest(),
        stored=stored.sha256,
        stored_bytes=stored.bytes,
        headers=headers,
    )
    return stored_object, stored.bytes


def write_listing(folder: Path, objects: Sequence[StoredObject], *, recipients: Sequence[Any]) -> list[StoredFile]:
    """Write the listing of a backup, and the names of the contents that it refers to."""
    lines = "".join(json.dumps(asdict(each)) + "\n" for each in objects)
    listing = store(folder / LISTING, io.BytesIO(lines.encode()), recipients=recipients)
    names = "".join(f"{name}\n" for name in sorted({each.stored for each in objects}))
    references = store(folder / REFERENCES, io.BytesIO(names.encode()), recipients=(), compress=False)
    return [listing, references]


def read_references(folder: Path) -> list[str]:
    """Return the names of the contents that a backup refers to."""
    return (folder / REFERENCES).read_text(encoding="utf-8").split()


def read_listing(path: Path, *, identities: Sequence[Any]) -> list[StoredObject]:
    """Return the objects of a backup."""
    with open_stored(path, identities=identities) as stream:
        return [StoredObject(**json.loads(line)) for line in stream]


def remove_parts(place: Path) -> None:
    """Delete what interrupted backups left among the contents."""
    for path in (place / FOLDER).glob(".part-*"):
        path.unlink(missing_ok=True)


def remove_unreferenced(place: Path, referenced: set[str]) -> int:
    """Delete the contents that no backup refers to; return their size in bytes."""
    freed = 0
    for path in (place / FOLDER).glob("*/*"):
        if path.name not in referenced:
            freed += path.stat().st_size
            path.unlink()
    return freed


def check_references(place: Path, folder: Path, *, progress: Progress = lambda _done, _total: None) -> list[str]:
    """Return the contents of a backup that are missing or damaged; the name of a content is its checksum."""
    names = read_references(folder)
    damaged = []
    for done, name in enumerate(names, start=1):
        path = content_path(place, name)
        try:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != name:
                    damaged.append(name)
        except OSError:
            damaged.append(name)
        progress(done, len(names))
    return damaged
