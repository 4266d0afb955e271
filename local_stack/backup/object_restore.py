"""Objects of a restore: write the contents of a backup into the object store, and read them back."""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from minio.error import S3Error

from local_stack.backup.objects import THREADS, Progress, StoredObject, content_path, s3_with_retries
from local_stack.backup.stored_files import CHUNK_BYTES, DamagedFileError, copy_to
from local_stack.stack import Stack


class _Checked:
    """Target that collects the bytes of an object in a file and hashes them."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self.digest.update(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()


def restore_objects(
    stack: Stack,
    place: Path,
    objects: Sequence[StoredObject],
    *,
    identities: Sequence[Any],
    is_encrypted: bool,
    progress: Progress = lambda _done, _total: None,
) -> None:
    """Write the objects of a backup into the running object store of a stack.

    Raises:
        DamagedFileError: a content differs from what was stored.
    """
    client = s3_with_retries(stack)
    for bucket in {each.bucket for each in objects}:
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
    scratch = stack.home / "run"

    def restore(each: StoredObject) -> None:
        path = content_path(place, each.stored)
        copy = scratch / f"restore-{uuid.uuid4().hex}"
        try:
            with copy.open("xb") as file:
                target = _Checked(file)
                copy_to(path, target, identities=identities, is_encrypted=is_encrypted)
            if target.digest.hexdigest() != each.sha256:
                raise DamagedFileError(f"{each.bucket}/{each.key} differs from the backup (content {each.stored}).")
            headers: dict[str, str | list[str] | tuple[str]] = {**each.headers}
            content_type = str(headers.pop("content-type", "application/octet-stream"))
            client.fput_object(each.bucket, each.key, str(copy), content_type=content_type, metadata=headers)
        finally:
            copy.unlink(missing_ok=True)

    with ThreadPoolExecutor(THREADS) as threads:
        for done, _ in enumerate(threads.map(restore, objects), start=1):
            progress(done, len(objects))


def compare_objects(stack: Stack, objects: Sequence[StoredObject]) -> dict[str, tuple[int, int]]:
    """Read every object back; return by bucket the number of objects that are equal, and of those expected."""
    client = s3_with_retries(stack)

    def is_equal(each: StoredObject) -> bool:
        digest = hashlib.sha256()
        try:
            with client.get_object(each.bucket, each.key) as response:
                for chunk in response.stream(CHUNK_BYTES):
                    digest.update(chunk)
        except S3Error:
            return False
        return digest.hexdigest() == each.sha256

    result: defaultdict[str, list[bool]] = defaultdict(list)
    with ThreadPoolExecutor(THREADS) as threads:
        for each, equal in zip(objects, threads.map(is_equal, objects), strict=True):
            result[each.bucket].append(equal)
    return {bucket: (sum(equal), len(equal)) for bucket, equal in result.items()}
