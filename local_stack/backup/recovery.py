"""PostgreSQL's part of a restore: unpack the base backup, replay the WAL to a point, and compare the tables."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from local_stack.backup.database import binary, open_snapshots
from local_stack.backup.manifest import Manifest, TableState
from local_stack.backup.stored_files import copy_to, open_stored
from local_stack.errors import NotReadyError, StackError
from local_stack.managed_process import ManagedProcess, log_tail, spawn
from local_stack.os_users import change_owner, data_folder_for, make_traversable, popen_user_options, unprivileged_user
from local_stack.preflight import check_ports
from local_stack.servers.postgres import postgres
from local_stack.service import Service
from local_stack.service_catalog import child_environment
from local_stack.stack import Stack

_POLL_SECONDS = 0.1
_TARGET_MISSED = "recovery ended before configured recovery target was reached"


@contextmanager
def running(service: Service, stack: Stack, *, seconds: float | None = None) -> Iterator[ManagedProcess]:
    """Run a server until the end of the block, without a supervisor.

    Args:
        service: the server.
        stack: its stack.
        seconds: time in which it has to be ready; that of the service if None.

    Raises:
        StackError: it does not become ready.
    """
    check_ports([service])
    service.prepare()
    process = spawn(service, home=stack.home, environment=child_environment(stack))
    try:
        deadline = time.monotonic() + (service.start_seconds if seconds is None else seconds)
        _wait(service, stack, process, deadline=deadline)
        service.provision()
        yield process
    finally:
        process.stop(stop_signal=service.stop_signal, seconds=service.stop_seconds)


def _wait(service: Service, stack: Stack, process: ManagedProcess, *, deadline: float) -> None:
    while True:
        try:
            service.check()
        except NotReadyError as error:
            if not process.is_alive():
                tail = log_tail(stack.home, service.name, lines=3)
                raise StackError(f"{service.title} {process.exit_description}: {tail}") from None
            if time.monotonic() > deadline:
                raise StackError(f"{service.title} is not ready: {error}.") from None
            time.sleep(_POLL_SECONDS)
        else:
            return


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tables that are equal, and those that differ with the reason."""

    equal: int
    different: dict[str, str]


def recover(
    stack: Stack,
    folder: Path,
    wal: Path,
    manifest: Manifest,
    *,
    identities: Sequence[Any],
    until: datetime | None = None,
    seconds: float = 24 * 3600.0,
) -> Comparison:
    """Restore PostgreSQL into the empty home of ``stack``, and stop it again.

    Args:
        stack: the new stack.
        folder: folder of the backup.
        wal: folder of the WAL files.
        manifest: manifest of the backup.
        identities: age identities.
        until: time up to which transactions are replayed; the restore point of the backup if None.
        seconds: longest time that the replay may take.

    Returns:
        The comparison with the tables at the restore point; without content if ``until`` is given.

    Raises:
        StackError: a file is damaged, or the WAL ends before ``until``.
    """
    user = unprivileged_user()
    base = data_folder_for(user, home=stack.home)
    make_traversable(base)
    data, segments = base / "postgres", base / "wal-restore"
    for path in (data, segments):
        path.mkdir(mode=0o700)
    [stored] = [each.name for each in manifest.files if each.name.startswith("postgres.tar")]
    with open_stored(folder / stored, identities=identities) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        tar.extractall(data, filter="data")
    _unpack_wal(wal, segments, manifest, identities=identities, all_segments=until is not None)
    (data / "recovery.signal").touch()
    for path in (data, segments):
        change_owner(path, user=user)
    service = postgres(stack)
    # Also copies the programs to where the database user can read them.
    service.prepare()
    _verify_base(stack, data, user=user)
    recovery = replace(service, command=(*service.command, *_recovery_options(segments, manifest, until=until)))
    try:
        with running(recovery, stack, seconds=seconds):
            shutil.rmtree(segments)
            if until is not None:
                return Comparison(0, {})
            with open_snapshots(stack) as snapshots:
                return compare(manifest.database.tables, snapshots.tables())
    except StackError:
        if _TARGET_MISSED not in log_tail(stack.home, "postgres", lines=40):
            raise
        if until is None:
            raise StackError(f"The WAL of backup {manifest.name} is incomplete; restore an older backup.") from None
        raise StackError(
            f"The WAL of the backups ends before {until:%Y-%m-%dT%H:%M:%SZ}; choose an earlier time, or add newer WAL "
            "with `neighborconnect backup wal` where the old home still runs."
        ) from None


def _unpack_wal(wal: Path, target: Path, manifest: Manifest, *, identities: Sequence[Any], all_segments: bool) -> None:
    for path in sorted(wal.iterdir()):
        name = path.name.split(".")[0] if ".history" not in path.name else f"{path.name.split('.')[0]}.history"
        position = name[8:24]
        is_segment = not name.endswith(".history")
        is_before = is_segment and position < manifest.database.start_segment[8:]
        is_after = is_segment and position > manifest.database.end_segment[8:]
        if path.name.startswith(".") or is_before or (is_after and not all_segments):
            continue
        with (target / name).open("wb") as file:
            copy_to(path, file, identities=identities)


def _verify_base(stack: Stack, data: Path, *, user: str | None) -> None:
    """Compare the data folder with the manifest that PostgreSQL wrote into its copy."""
    # Files that this program or the archive provides.
    ignored = ("postgresql.conf", "postgresql.auto.conf", "recovery.signal", "pg_wal")
    command = [binary(stack, "pg_verifybackup"), "-n", "-q", "-e", *(f"-i{name}" for name in ignored), str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=data, **popen_user_options(user))
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[0]
        raise StackError(f"The restored data folder differs from the backup: {last}")


def _recovery_options(segments: Path, manifest: Manifest, *, until: datetime | None) -> Iterator[str]:
    folder = shlex.quote(str(segments)).replace("%", "%%")
    target = (
        f"recovery_target_name={manifest.database.restore_point}"
        if until is None
        else f"recovery_target_time={until.isoformat()}"
    )
    for option in (
        f"restore_command=cp {folder}/%f %p",
        target,
        "recovery_target_action=promote",
        "hot_standby=off",
        "archive_mode=off",
    ):
        yield from ("-c", option)


def compare(expected: Mapping[str, TableState], actual: Mapping[str, TableState]) -> Comparison:
    """Compare the tables of a restored server with those of the manifest."""
    different = {}
    for name in sorted(expected.keys() | actual.keys()):
        before, after = expected.get(name), actual.get(name)
        if before is None or after is None:
            different[name] = "missing" if after is None else "not in the backup"
        elif before.rows != after.rows:
            different[name] = f"{after.rows:,} rows instead of {before.rows:,}"
        elif before.fingerprint != after.fingerprint:
            different[name] = "other values"
    return Comparison(len(expected.keys() | actual.keys()) - len(different), different)
