"""PostgreSQL's part of a backup: base backup, WAL segments, the restore point and the state of the tables at it."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import psycopg
from psycopg import sql

from local_stack.backup.manifest import TableState
from local_stack.backup.stored_files import Counted, Progress, StoredFile, store
from local_stack.errors import StackError
from local_stack.os_users import data_folder_for, unprivileged_user
from local_stack.ports import HOST
from local_stack.servers.postgres import ARCHIVE_MARKER, BACKUP_ROLE, archive_folder, find_installation
from local_stack.stack import DATABASES, Stack

WAL_FILE = re.compile(r"[0-9A-F]{24}|[0-9A-F]{8}\.history")
_ATTEMPTS = 50
_ARCHIVE_SECONDS = 120.0
# A hash reads every row. Above this size only the number of rows is compared.
_MAX_HASHED_BYTES = 512 * 1024**2
_COUNT_AND_HASH = sql.SQL("SELECT count(*), sum(hashtextextended(t::text, 0)::numeric)::text FROM {} AS t")
_COUNT = sql.SQL("SELECT count(*), NULL FROM {} AS t")
_TABLES = """
SELECT n.nspname, c.relname, pg_relation_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2
"""


def binary(stack: Stack, name: str) -> str:
    """Return the path of a PostgreSQL program."""
    user = unprivileged_user()
    base = data_folder_for(user, home=stack.home)
    return str(find_installation(user=user, base=base).binaries / name)


def _connect(stack: Stack, database: str = "postgres") -> psycopg.Connection[Any]:
    return psycopg.connect(stack.database_url(database, superuser=True), autocommit=True, connect_timeout=10)


def check_archiving(stack: Stack) -> None:
    """Raise ``StackError`` if PostgreSQL runs without the settings and the role that backups need."""
    with _connect(stack) as connection:
        role = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s AND rolreplication", [BACKUP_ROLE])
        ready = role.fetchone() is not None and bool(stack.secrets[BACKUP_ROLE])
        mode = connection.execute("SHOW archive_mode").fetchone()
    if not ready or mode != ("on",):
        raise StackError(
            "PostgreSQL was started by an earlier version, without WAL archiving; "
            "start it again with `neighborconnect down && neighborconnect up`, then repeat this command."
        )


def server_version(stack: Stack) -> int:
    """Return the major version of the running server."""
    with _connect(stack) as connection:
        return connection.info.server_version // 10_000


def data_bytes(stack: Stack) -> int:
    """Return the size of all databases."""
    with _connect(stack) as connection:
        return int(_one(connection, "SELECT sum(pg_database_size(oid)) FROM pg_database"))


def _one(connection: psycopg.Connection[Any], query: str, *parameters: Any) -> Any:
    row = connection.execute(cast("Any", query), parameters).fetchone()
    return None if row is None else row[0]


def begin_archiving(stack: Stack) -> str:
    """Let PostgreSQL archive WAL for some days from now on; return the segment that is written now."""
    (archive_folder(stack) / ARCHIVE_MARKER).touch()
    with _connect(stack) as connection:
        return str(_one(connection, "SELECT pg_walfile_name(pg_current_wal_lsn())"))


def base_backup(
    stack: Stack, path: Path, *, label: str, recipients: Sequence[Any], progress: Progress = lambda _: None
) -> StoredFile:
    """Copy the running server's data folder as a tar stream, without its WAL, which is archived.

    Raises:
        StackError: ``pg_basebackup`` fails.
    """
    command = [binary(stack, "pg_basebackup"), "-h", HOST, "-p", str(stack.ports.postgres), "-U", BACKUP_ROLE]
    command += ["-D", "-", "-F", "tar", "-X", "none", "-c", "fast", "-l", label, "--manifest-checksums=SHA256", "-w"]
    environment = os.environ | {"PGPASSWORD": stack.secrets[BACKUP_ROLE]}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        stream = cast("BinaryIO", process.stdout)
        try:
            stored = store(path, Counted(stream, progress), recipients=recipients)
            _, messages = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        last = (messages.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise StackError(f"pg_basebackup ended with code {process.returncode}: {last}")
    return stored


@dataclass(frozen=True, slots=True)
class RestorePoint:
    """Named position in the WAL, with its time, position and segment."""

    name: str
    lsn: str
    segment: str
    unix_time: float
    is_exact: bool


class Snapshots:
    """One read-only transaction per database, all of them at the restore point."""

    def __init__(self, stack: Stack, exits: ExitStack) -> None:
        self._connections = {
            name: exits.enter_context(psycopg.connect(stack.database_url(name, superuser=True))) for name in DATABASES
        }
        for connection in self._connections.values():
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True

    def begin(self) -> set[str]:
        """Begin again; return the snapshots, which are equal if no transaction ended in between."""
        for connection in self._connections.values():
            connection.rollback()
        return {_snapshot(connection) for connection in self._connections.values()}

    def revision(self) -> str | None:
        """Return the revision of the product's schema; None before the first migration."""
        connection = self._connections["neighborconnect"]
        if _one(connection, "SELECT to_regclass('alembic_version')") is None:
            return None
        return str(_one(connection, "SELECT version_num FROM alembic_version"))

    def tables(self, progress: Callable[[int, int], None] = lambda _done, _total: None) -> dict[str, TableState]:
        """Return the state of every table that survives a crash, by ``database.schema.table``."""
        found = {name: connection.execute(_TABLES).fetchall() for name, connection in self._connections.items()}
        total, done = sum(map(len, found.values())), 0
        states = {}
        for name, rows in found.items():
            for schema, table, size in rows:
                states[f"{name}.{schema}.{table}"] = _state(self._connections[name], schema, table, size=size)
                done += 1
                progress(done, total)
        return states


def _snapshot(connection: psycopg.Connection[Any]) -> str:
    # Without the first number, which also depends on what the session itself does.
    return str(_one(connection, "SELECT pg_current_snapshot()::text")).partition(":")[2]


def _state(connection: psycopg.Connection[Any], schema: str, table: str, *, size: int) -> TableState:
    statement = _COUNT_AND_HASH if size <= _MAX_HASHED_BYTES else _COUNT
    query = statement.format(sql.Identifier(schema, table))
    row = connection.execute(query).fetchone()
    if row is None:
        raise StackError(f"{schema}.{table} returned no count.")
    return TableState(rows=row[0], fingerprint=(row[1] or "0") if size <= _MAX_HASHED_BYTES else None)


@contextmanager
def open_snapshots(stack: Stack) -> Iterator[Snapshots]:
    """Open a transaction in each database of the stack."""
    with ExitStack() as exits:
        yield Snapshots(stack, exits)


def create_restore_point(stack: Stack, snapshots: Snapshots, *, prefix: str) -> RestorePoint:
    """Create a restore point at the moment of the snapshots, and archive the WAL up to it.

    A transaction that ends between the snapshots and the restore point makes the attempt inexact; it is repeated.
    """
    with _connect(stack) as connection:
        for attempt in range(_ATTEMPTS):
            name = f"{prefix}-{attempt}"
            before = snapshots.begin()
            lsn = str(_one(connection, "SELECT pg_create_restore_point(%s)", name))
            unix_time = time.time()
            is_exact = before == {_snapshot(connection)}
            if is_exact:
                break
        segment = str(_one(connection, "SELECT pg_walfile_name(%s)", lsn))
        connection.execute("SELECT pg_switch_wal()")
    _wait_until_archived(stack, segment)
    return RestorePoint(name=name, lsn=lsn, segment=segment, unix_time=unix_time, is_exact=is_exact)


def switch_wal(stack: Stack) -> None:
    """End the current WAL segment and wait until it is archived; does nothing if nothing was written."""
    with _connect(stack) as connection:
        segment = str(_one(connection, "SELECT pg_walfile_name(pg_switch_wal())"))
    _wait_until_archived(stack, segment)


def _wait_until_archived(stack: Stack, segment: str) -> None:
    deadline = time.monotonic() + _ARCHIVE_SECONDS
    with _connect(stack) as connection:
        while True:
            row = connection.execute(
                "SELECT last_archived_wal, last_failed_time > coalesce(last_archived_time, '-infinity') "
                "FROM pg_stat_archiver"
            ).fetchone()
            archived, is_failing = row or (None, None)
            # Segments are archived in order; a history file has another form.
            if (archive_folder(stack) / segment).exists() or (archived and archived[8:24] >= segment[8:]):
                return
            if time.monotonic() > deadline:
                state = "its archive command fails" if is_failing else "its archiver is late"
                log = stack.logs / "postgres.log"
                raise StackError(f"PostgreSQL did not archive WAL segment {segment}: {state} (log: {log}).")
            time.sleep(0.05)


def spooled_wal(stack: Stack) -> list[Path]:
    """Return the archived WAL files that are still in the home, the oldest first."""
    return sorted(path for path in archive_folder(stack).iterdir() if WAL_FILE.fullmatch(path.name))


def move_wal(stack: Stack, target: Path, *, recipients: Sequence[Any]) -> list[StoredFile]:
    """Move archived WAL files from the home into ``target``; return the stored files.

    A file is deleted in the home only after its copy is complete.
    """
    for folder in (target.parent, target):
        folder.mkdir(mode=0o700, exist_ok=True)
    moved = []
    for path in spooled_wal(stack):
        with path.open("rb") as source:
            part = store(target / f".{path.name}", source, recipients=recipients)
        stored = part.model_copy(update={"name": part.name.removeprefix(".")})
        (target / part.name).replace(target / stored.name)
        moved.append(stored)
        os.sync()
        path.unlink()
    return moved
