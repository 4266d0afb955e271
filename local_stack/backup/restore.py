"""Restore a backup into an empty home, and compare the result with what was backed up."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from local_stack.backup import broker, keys, object_restore, objects
from local_stack.backup.create import Steps, clear_errors, no_steps
from local_stack.backup.erasures import restore_register
from local_stack.backup.manifest import Manifest, backup_folders, read_manifest
from local_stack.backup.place import WAL, reading
from local_stack.backup.recovery import recover, running
from local_stack.backup.stored_files import DamagedFileError, check
from local_stack.errors import StackError
from local_stack.os_users import data_folder_for, unprivileged_user
from local_stack.ports import Ports, find_free_offset, is_free
from local_stack.servers.broker import broker as broker_service
from local_stack.servers.postgres import find_installation, major_version
from local_stack.servers.seaweed import seaweed
from local_stack.stack import (
    BROKER_FILE_NAME,
    RESTORE_MARKER,
    SECRETS_FILE_NAME,
    Stack,
    environment_offset,
    open_stack,
    write_private_file,
)

_BUCKETS_OF_ROWS = ("media", "mlflow", "audit")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the comparison: a part, what the backup has, what the restored home has."""

    part: str
    expected: str
    actual: str
    is_equal: bool


def verify_files(place: Path, folder: Path, manifest: Manifest, *, steps: Steps = no_steps) -> None:
    """Compare every file that a backup needs with its checksum. No key is needed.

    Raises:
        DamagedFileError: a file is missing or differs.
    """
    wal = place / WAL / manifest.database.archive
    files = [
        *((folder / each.name, each) for each in manifest.files),
        *((wal / each.name, each) for each in manifest.wal),
    ]
    for done, (path, each) in enumerate(files, start=1):
        check(path, sha256=each.sha256)
        steps("checksums of files", done, len(files))
    damaged = objects.check_references(place, folder, progress=lambda done, total: steps("checksums", done, total))
    if damaged:
        raise DamagedFileError(
            f"{len(damaged)} contents of objects are missing or damaged, the first is "
            f"{objects.content_path(place, damaged[0])}."
        )


def check_empty(home: Path) -> None:
    """Raise ``StackError`` if a home has any content: a restore never overwrites data."""
    for folder in {home, data_folder_for(unprivileged_user(), home=home) if home.exists() else home}:
        if folder.exists() and any(folder.iterdir()):
            state = "has an unfinished restore" if (folder / RESTORE_MARKER).exists() else "has data"
            raise StackError(f"{folder} {state}; a restore needs an empty folder: choose another --home or delete it.")


def restore_backup(
    place: Path,
    folder: Path,
    home: Path,
    *,
    secrets: Mapping[str, str],
    identities: Sequence[Any],
    until: datetime | None = None,
    offset: int | None = None,
    steps: Steps = no_steps,
) -> list[Finding]:
    """Restore a backup into an empty home, compare it, and stop the servers that this needed.

    Args:
        place: folder of all backups.
        folder: folder of this backup.
        home: the new home; empty or missing.
        secrets: the keys of the old home.
        identities: age identities for an encrypted backup.
        until: time up to which PostgreSQL's transactions are replayed; the restore point of the backup if None.
        offset: port offset of the new home.
        steps: receives progress.

    Raises:
        StackError: the home is not empty, a key is wrong, or a file is damaged.
    """
    manifest = read_manifest(folder)
    check_empty(home)
    keys.check_keys(manifest, secrets)
    _check_ports(offset)
    _check_time(manifest, until)
    with clear_errors(home), reading(place):
        verify_files(place, folder, manifest, steps=steps)
        # Before anything is written: this fails without the right identity.
        stored = _objects(place, manifest, identities=identities, until=until)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private_file(home / SECRETS_FILE_NAME, json.dumps(dict(secrets), indent=1))
        write_private_file(home / BROKER_FILE_NAME, manifest.broker.kind)
        stack = open_stack(folder=home, offset=offset)
        write_private_file(home / RESTORE_MARKER, f"{folder}\n")
        _check_server(home, manifest)
        steps("PostgreSQL", 0, 0)
        wal = place / WAL / manifest.database.archive
        tables = recover(stack, folder, wal, manifest, identities=identities, until=until)
        findings = [] if until else [_tables(manifest, tables.equal, tables.different)]
        findings += _restore_stores(stack, place, folder, manifest, stored, identities=identities, steps=steps)
        restore_register(stack, place, since=manifest.restore_point_at, identities=identities)
        (home / RESTORE_MARKER).unlink()
        return findings


def _check_ports(offset: int | None) -> None:
    ports = Ports((environment_offset() or 0) if offset is None else offset)
    if taken := [port for port in ports.all if not is_free(port)]:
        raise StackError(
            f"Port {taken[0]} is taken at offset {ports.offset}, perhaps by the old home; "
            f"pass another one: --offset {find_free_offset()}."
        )


def _check_time(manifest: Manifest, until: datetime | None) -> None:
    if until is not None and until < manifest.restore_point_at:
        raise StackError(
            f"Backup {manifest.name} is of {manifest.restore_point_at:%Y-%m-%dT%H:%M:%SZ}, after the time to restore; "
            "choose an older backup: its WAL is replayed up to the time."
        )


def _check_server(home: Path, manifest: Manifest) -> None:
    user = unprivileged_user()
    binaries = find_installation(user=None, base=data_folder_for(user, home=home)).binaries
    if (server := major_version(binaries)) != manifest.database.version:
        raise StackError(
            f"The backup is of PostgreSQL {manifest.database.version} and this server is {server}: "
            f"set POSTGRES_BIN to the programs of PostgreSQL {manifest.database.version}."
        )


def _tables(manifest: Manifest, equal: int, different: Mapping[str, str]) -> Finding:
    first = "".join(f", {name}: {reason}" for name, reason in list(different.items())[:3])
    rows = sum(each.rows for each in manifest.database.tables.values())
    moment = "at" if manifest.database.exact else "shortly before"
    return Finding(
        f"PostgreSQL, {rows:,} rows {moment} {manifest.database.restore_point}",
        f"{len(manifest.database.tables)} tables",
        f"{equal} equal{first}",
        # Rows that were counted shortly before the restore point may have changed until it.
        not different or not manifest.database.exact,
    )


def _objects(
    place: Path, manifest: Manifest, *, identities: Sequence[Any], until: datetime | None
) -> list[objects.StoredObject]:
    """Return the objects to restore: those of the backup, and with ``until`` those added until the next backup.

    Rows of the time between two backups refer to objects that the older one does not have. The lake is not completed:
    its tables have the state of the backup.
    """
    folders = [place / manifest.name]
    if until is not None:
        later = [
            each.name
            for each in map(read_manifest, backup_folders(place))
            if each.database.archive == manifest.database.archive and each.restore_point_at >= until
        ]
        folders += [place / name for name in later[:1]]
    found: dict[tuple[str, str], objects.StoredObject] = {}
    for folder in folders:
        [listing] = folder.glob(f"{objects.LISTING}*")
        for each in objects.read_listing(listing, identities=identities):
            if folder == folders[0] or each.bucket in _BUCKETS_OF_ROWS:
                found.setdefault((each.bucket, each.key), each)
    return list(found.values())


def _restore_stores(
    stack: Stack,
    place: Path,
    folder: Path,
    manifest: Manifest,
    stored: Sequence[objects.StoredObject],
    *,
    identities: Sequence[Any],
    steps: Steps,
) -> list[Finding]:
    """Restore the object store and the broker's log, and compare both."""
    for path in folder.glob(f"{broker.FILE}*"):
        broker.restore_log(stack, path, identities=identities)
    with running(seaweed(stack), stack):
        object_restore.restore_objects(
            stack,
            place,
            stored,
            identities=identities,
            is_encrypted=manifest.is_encrypted,
            progress=lambda done, total: steps("objects", done, total),
        )
        steps("comparison", 0, 0)
        findings = [
            Finding(f"bucket {bucket}", f"{total:,} objects", f"{equal:,} equal", equal == total)
            for bucket, (equal, total) in object_restore.compare_objects(stack, stored).items()
        ]
        with running(broker_service(stack), stack):
            actual = broker.end_offsets(stack)
    expected = manifest.broker.end_offsets
    equal = sum(actual.get(partition) == offset for partition, offset in expected.items())
    events = sum(expected.values())
    part = f"{manifest.broker.kind}, {events:,} events"
    return [*findings, Finding(part, f"{len(expected)} partitions", f"{equal} equal", equal == len(expected))]


def verify_backup(
    place: Path,
    folder: Path,
    *,
    secrets: Mapping[str, str],
    identities: Sequence[Any],
    offset: int,
    scratch: Path | None = None,
    steps: Steps = no_steps,
) -> list[Finding]:
    """Restore a backup into a temporary home below ``scratch``, compare it, and delete the home.

    Raises:
        StackError: as ``restore_backup``.
    """
    home = Path(tempfile.mkdtemp(prefix="neighborconnect-verify-", dir=scratch))
    data = {home}
    try:
        data.add(data_folder_for(unprivileged_user(), home=home))
        return restore_backup(place, folder, home, secrets=secrets, identities=identities, offset=offset, steps=steps)
    finally:
        for path in {*data, data_folder_for(unprivileged_user(), home=home)}:
            shutil.rmtree(path, ignore_errors=True)
