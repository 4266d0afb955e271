"""Folder that holds the backups of homes: its lock, leftovers of interrupted runs, and retention."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local_stack.backup import objects
from local_stack.backup.manifest import PART, Manifest, backup_folders, read_manifest
from local_stack.errors import StackError

WAL = "wal"
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Retention:
    """Backups to retain: the newest ``keep``, and those younger than ``days``; None for no such rule.

    A backup that either rule retains stays. Without a rule all stay. The newest always stays.
    """

    keep: int | None = None
    days: int | None = None


@contextmanager
def exclusive(place: Path, *, home: Path | None = None) -> Iterator[None]:
    """Hold the lock of a folder of backups, and that of a home; only one command may write at a time.

    Raises:
        StackError: another command holds one of them, or the folder cannot be written.
    """
    with ExitStack() as exits:
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in (place / _LOCK, *((home / "run" / "backup.lock",) if home else ())):
                lock = exits.enter_context(os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"Another backup or restore is running ({path} is locked); wait until it has ended."
            ) from None
        except PermissionError as error:
            raise StackError(f"{error.filename} cannot be written; give this user permission on {place}.") from None
        remove_parts(place)
        yield


@contextmanager
def reading(place: Path) -> Iterator[None]:
    """Let no other command write in a folder of backups; a read-only copy without a lock is accepted.

    Raises:
        StackError: another command writes in it.
    """
    try:
        lock = (place / _LOCK).open("r")
    except OSError:
        yield
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"Another command writes in {place}; wait until it has ended.") from None
        yield


def remove_parts(place: Path) -> None:
    """Delete what interrupted commands left behind."""
    for path in place.glob(f"*{PART}"):
        shutil.rmtree(path, ignore_errors=True)
    objects.remove_parts(place)
    for path in (place / WAL).glob("*/.*"):
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Pruned:
    """Names of the deleted backups, and the size of the contents and WAL files that only they needed."""

    names: list[str]
    bytes: int


def prune(place: Path, retention: Retention) -> Pruned:
    """Delete the backups that the retention does not retain, and what no other backup needs."""
    manifests = [read_manifest(folder) for folder in backup_folders(place)]
    deleted = [each.name for each in _expired(manifests, retention)]
    for name in deleted:
        # A backup without its name is none: an interrupted deletion leaves nothing that seems complete.
        (place / name).rename(place / f"{name}{PART}")
        shutil.rmtree(place / f"{name}{PART}")
    retained = [each for each in manifests if each.name not in deleted]
    freed = _remove_wal(place, retained) if deleted else 0
    if deleted:
        referenced = {name for each in retained for name in objects.read_references(place / each.name)}
        freed += objects.remove_unreferenced(place, referenced)
    return Pruned(deleted, freed)


def _expired(manifests: list[Manifest], retention: Retention) -> list[Manifest]:
    if retention.keep is None and retention.days is None:
        return []
    newest = manifests[-max(retention.keep or 0, 1) :]
    since = datetime.now(UTC) - timedelta(days=retention.days or 0)
    young = [each for each in manifests if retention.days is not None and each.created_at >= since]
    return [each for each in manifests if each not in newest and each not in young]


def _remove_wal(place: Path, retained: list[Manifest]) -> int:
    """Delete the WAL files before the first segment that a retained backup needs."""
    first: dict[str, str] = {}
    for each in retained:
        archive, start = each.database.archive, each.database.start_segment[8:]
        first[archive] = min(first.get(archive, start), start)
    freed = 0
    for path in (place / WAL).glob("*/*"):
        needed = first.get(path.parent.name)
        # A history file has no position; it is small and stays as long as its archive.
        if needed is None or (path.name[8:9] != "." and path.name[8:24] < needed):
            freed += path.stat().st_size
            path.unlink()
    return freed
