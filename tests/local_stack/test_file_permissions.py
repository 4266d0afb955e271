"""Other local users can read no file, log or data of a running stack."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from local_stack.os_users import DATABASE_OS_USER, data_folder_for, unprivileged_user
from local_stack.stack import Stack, open_stack
from local_stack.state import read_record
from neighborconnect.settings import Settings


def open_to_others(folder: Path) -> Iterator[str]:
    """Yield everything below ``folder`` that other users can reach, with its mode."""
    for path in folder.iterdir():
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            continue
        if status.st_mode & 0o077:
            yield f"{path} has mode {stat.S_IMODE(status.st_mode):o}"
        if path.is_dir() and status.st_mode & 0o011:
            yield from open_to_others(path)


def data_folder(stack: Stack) -> Path:
    return data_folder_for(unprivileged_user(), home=stack.home) / "postgres"


def test_only_the_owner_lists_and_reads_a_home(servers: Stack) -> None:
    mode = stat.S_IMODE(servers.home.stat().st_mode)
    assert mode == (0o710 if unprivileged_user() else 0o700)
    assert list(open_to_others(servers.home)) == []
    assert stat.S_IMODE(data_folder(servers).stat().st_mode) == 0o700


def test_permissions_of_an_open_home_are_restricted(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "logs").mkdir(parents=True)
    (home / "broker").write_text("kafka")
    for path, mode in ((home, 0o755), (home / "logs", 0o755), (home / "broker", 0o644)):
        path.chmod(mode)
    open_stack(folder=home, offset=100)
    assert stat.S_IMODE(home.stat().st_mode) & 0o067 == 0
    assert list(open_to_others(home)) == []


def test_processes_create_files_for_their_owner_only(servers: Stack) -> None:
    for name in ("postgres", "redis", "s3", "kafka"):
        record = read_record(servers.run, name)
        assert record is not None
        process = record.process()
        assert process is not None
        status_file = Path(f"/proc/{process.pid}/status")
        if status_file.exists():
            [umask] = [line.split()[1] for line in status_file.read_text().splitlines() if line.startswith("Umask:")]
            assert umask == "0077"


def test_postgresql_runs_as_its_own_user_under_root(servers: Stack) -> None:
    record = read_record(servers.run, "postgres")
    assert record is not None
    process = record.process()
    assert process is not None
    expected = unprivileged_user() or psutil.Process(os.getpid()).username()
    assert process.username() == expected
    assert data_folder(servers).owner() == expected
    assert expected in (DATABASE_OS_USER, psutil.Process(os.getpid()).username())


@pytest.fixture
def message() -> str:
    return f"a-private-chat-message-{os.urandom(4).hex()}"


def test_postgresql_logs_no_parameters_of_slow_statements(servers: Stack, settings: Settings, message: str) -> None:
    log = servers.logs / "postgres.log"
    start = log.stat().st_size
    with psycopg.connect(settings.database_url) as connection:
        connection.execute("SELECT pg_sleep(1.2), %s::text", [message])
    written = log.read_bytes()[start:].decode()
    assert "pg_sleep" in written
    assert message not in written


def test_postgresql_logs_no_values_of_failed_statements(servers: Stack, settings: Settings, message: str) -> None:
    log = servers.logs / "postgres.log"
    start = log.stat().st_size
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("CREATE TEMPORARY TABLE keys (key text PRIMARY KEY)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO keys VALUES (%s), (%s)", [message, message])
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute(f"SELECT '{message}', 1 / 0")
    written = log.read_bytes()[start:].decode()
    assert "duplicate key" in written
    assert "division by zero" in written
    assert message not in written
