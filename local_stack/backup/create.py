"""Create a backup of a running home.

The copy of PostgreSQL's data folder takes longest and runs while everything works. Then the broker and its clients
stop for some seconds: the restore point, the broker's log and the listing of the object store describe one moment, at
which no event is between two stores. The API continues to serve; its writes wait in the outbox. Objects and the state
of the tables are read after that.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import psycopg
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from local_stack.backup import broker, database, erasures, objects
from local_stack.backup import place as places
from local_stack.backup.manifest import (
    PART,
    BrokerState,
    DatabaseState,
    Manifest,
    key_fingerprints,
    new_name,
    write_manifest,
)
from local_stack.backup.pause import paused
from local_stack.backup.stored_files import StoredFile, parse_recipients
from local_stack.errors import StackError
from local_stack.managed_process import find_tagged_processes
from local_stack.service_catalog import SERVERS
from local_stack.stack import BUCKETS, Stack, write_private_file

BASE = "postgres.tar"


class Steps(Protocol):
    """Receiver of the progress of a command."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` units of a step are finished; ``total`` is 0 if it is unknown."""


def no_steps(step: str, done: int, total: int) -> None:
    """Ignore progress."""


@dataclass(frozen=True, slots=True)
class Created:
    """A new backup, and what its retention deleted."""

    manifest: Manifest
    pruned: places.Pruned


@contextmanager
def clear_errors(place: Path) -> Iterator[None]:
    """Raise a ``StackError`` with the remedy in place of errors of the disk and of the servers."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StackError(
                f"The disk of {place} is full; nothing was added. Free some space, delete old backups with "
                f"`neighborconnect backup prune --from {place} --keep 3`, or use another disk."
            ) from None
        raise StackError(f"{error.filename or place} cannot be used: {error.strerror or error}.") from None
    except (psycopg.Error, MinioException, HTTPError) as error:
        raise StackError(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from None


def create_backup(
    stack: Stack,
    place: Path,
    *,
    recipients: Sequence[str] = (),
    retention: places.Retention = places.Retention(),  # noqa: B008 - immutable
    steps: Steps = no_steps,
) -> Created:
    """Create a backup of the running servers of ``stack`` in a new folder of ``place``.

    Args:
        stack: the stack to copy.
        place: folder of all backups, which share the contents of objects and the WAL.
        recipients: age recipients that can decrypt the backup; not encrypted if empty.
        retention: backups to retain.
        steps: receives progress.

    Raises:
        StackError: a server does not run, the disk is full, or another command runs.
    """
    keys = parse_recipients(recipients)
    _check_running(stack)
    with clear_errors(place), places.exclusive(place, home=stack.home):
        database.check_archiving(stack)
        created_at = datetime.now(UTC)
        name = new_name(created_at)
        folder = place / f"{name}{PART}"
        if (place / name).exists():
            raise StackError(f"{place / name} exists; try again in a second.")
        folder.mkdir(mode=0o700)
        try:
            target = _Target(place, tuple(recipients), keys, steps)
            manifest = _fill(stack, target, folder, created_at=created_at)
            write_manifest(folder, manifest)
            erasures.write_register(stack, place, archive=_archive_id(stack), recipients=keys)
            os.sync()
            folder.rename(place / name)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return Created(manifest, places.prune(place, retention))


def _check_running(stack: Stack) -> None:
    running = find_tagged_processes(stack.home)
    if missing := [name for name in SERVERS if name not in running]:
        names = ", ".join(missing)
        raise StackError(
            f"A backup needs running servers; start {names} with `neighborconnect start {' '.join(missing)}`."
        )


def _archive_path(stack: Stack) -> Path:
    return stack.home / "backup" / "archive"


def _archive_id(stack: Stack) -> str:
    """Return the name of the home's WAL archive. A restored home has another one, because its history branches."""
    path = _archive_path(stack)
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_private_file(path, uuid.uuid4().hex)
    return path.read_text(encoding="utf-8")


def ship_wal(stack: Stack, place: Path, *, recipients: Sequence[Any]) -> list[StoredFile]:
    """Move the archived WAL from the home to the backups."""
    return database.move_wal(stack, place / places.WAL / _archive_id(stack), recipients=recipients)


def add_wal(stack: Stack, place: Path, *, recipients: Sequence[str] = ()) -> list[StoredFile]:
    """Add the WAL that was written until now to the backups, so that a restore can reach this time.

    Raises:
        StackError: PostgreSQL does not run, the disk is full, or another command runs.
    """
    keys = parse_recipients(recipients)
    with clear_errors(place), places.exclusive(place, home=stack.home):
        database.check_archiving(stack)
        if not _archive_path(stack).exists():
            raise StackError(f"{stack.home} has no backup to add WAL to; run `neighborconnect backup create` first.")
        database.begin_archiving(stack)
        database.switch_wal(stack)
        erasures.write_register(stack, place, archive=_archive_id(stack), recipients=keys)
        return ship_wal(stack, place, recipients=keys)


@dataclass(frozen=True, slots=True)
class _Target:
    """Folder of all backups, age recipients by name and as keys, and the receiver of progress."""

    place: Path
    names: tuple[str, ...]
    keys: Sequence[Any]
    steps: Steps


def _fill(stack: Stack, target: _Target, folder: Path, *, created_at: datetime) -> Manifest:
    name, keys, steps = new_name(created_at), target.keys, target.steps
    start_segment = database.begin_archiving(stack)
    size = database.data_bytes(stack)
    files = [
        database.base_backup(
            stack, folder / BASE, label=name, recipients=keys, progress=lambda done: steps("PostgreSQL", done, size)
        )
    ]
    kind = broker.broker_kind(stack)
    own_buckets = broker.buckets_of(kind)
    ends: dict[str, int] = {}
    with database.open_snapshots(stack) as snapshots:
        steps("pause of the broker and its clients", 0, 0)
        began = time.monotonic()
        with paused(stack, before_broker=lambda: ends.update(broker.end_offsets(stack))):
            point = database.create_restore_point(stack, snapshots, prefix=name)
            listed = objects.list_objects(stack, (*BUCKETS, *own_buckets))
            files += broker.store_log(stack, folder, recipients=keys)
            if own_buckets:
                _copy(stack, target, [item for item in listed if item.bucket in own_buckets], is_partial=True)
        pause = time.monotonic() - began
        wal = ship_wal(stack, target.place, recipients=keys)
        tables = snapshots.tables(lambda done, total: steps("rows", done, total))
        revision = snapshots.revision()
    copied = _copy(stack, target, listed)
    files += objects.write_listing(folder, copied.objects, recipients=keys)
    return Manifest(
        name=name,
        created_at=created_at,
        restore_point_at=datetime.fromtimestamp(point.unix_time, UTC),
        finished_at=datetime.now(UTC),
        application_version=version("neighborconnect"),
        paused_seconds=round(pause, 1),
        recipients=list(target.names),
        files=files,
        wal=[each for each in wal if start_segment[8:] <= each.name[8:24] <= point.segment[8:]],
        database=DatabaseState(
            version=database.server_version(stack),
            start_segment=start_segment,
            end_segment=point.segment,
            restore_point=point.name,
            lsn=point.lsn,
            archive=_archive_id(stack),
            revision=revision,
            tables=tables,
            exact=point.is_exact,
        ),
        buckets=copied.buckets,
        broker=BrokerState(kind=kind, end_offsets=ends),
        new_bytes=copied.new_bytes,
        key_fingerprints=key_fingerprints(stack.secrets, salt=name),
        not_included=["MongoDB (MONGO_URL)"] if os.environ.get("MONGO_URL") else [],
    )


def _copy(
    stack: Stack, target: _Target, listed: Sequence[objects.ListedObject], *, is_partial: bool = False
) -> objects.CopiedObjects:
    return objects.copy_objects(
        stack,
        target.place,
        listed,
        recipients=target.keys,
        recipient_names=target.names,
        is_partial=is_partial,
        progress=lambda done, total: target.steps("objects", done, total),
    )
