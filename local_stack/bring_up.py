"""Steps of ``neighborconnect up``: servers, schema, sample data, first models, services."""

from __future__ import annotations

import fcntl
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TextIO

import psycopg
from psycopg import sql
from rich.console import Console

from local_stack.errors import StackError
from local_stack.managed_process import log_tail
from local_stack.platform_services import PROJECT
from local_stack.progress import periodic_message, print_line, start
from local_stack.service_catalog import (
    BENTO_SERVICES,
    MODEL_INDEPENDENT_SERVICES,
    SERVERS,
    SERVICE_ORDER,
    child_environment,
)
from local_stack.stack import ERASURES_FILE_NAME, Stack
from local_stack.supervisor_client import check_start, request_services
from neighborconnect.contracts.models import ADDED_MODELS, CHAMPION, MODELS
from neighborconnect.settings import DEMO_LOGINS_FILE_NAME

SAMPLE_USERS, SAMPLE_DAYS = 300, 28
"""Default size of the sample town."""
_SEED = 7
# The code location writes the manifest of dbt that the pipelines read.
_USED_BY_PIPELINES = ("api", "relay", "ingest-lake", "ingest-warehouse", "mlflow", "dagster-code")


def bring_up(stack: Stack, *, users: int = SAMPLE_USERS, days: int = SAMPLE_DAYS, console: Console) -> None:
    """Start every service that is not running, and create a missing schema, sample data and first models.

    Args:
        stack: the stack to start.
        users: number of users of the sample town.
        days: days of its history.
        console: receives progress.

    Raises:
        StackError: a step fails; the message names the step and its log.
    """
    with exclusive_lock(stack, console=console) as lock:
        check_start(stack, SERVICE_ORDER)
        start(stack, SERVERS, console=console)
        run_step(stack, lock, "transactional_api.core.db.migrate", log="migrate", console=console)
        if (erasures := stack.home / ERASURES_FILE_NAME).exists():
            module = "transactional_api.governance.privacy.reapply_erasures"
            run_step(stack, lock, module, str(erasures), log="reapply-erasures", console=console)
            erasures.unlink()
        if _has_champions(stack):
            start(stack, (*MODEL_INDEPENDENT_SERVICES, *BENTO_SERVICES), console=console)
            return
        # All start at once; what follows waits for those that it uses.
        request_services(stack, MODEL_INDEPENDENT_SERVICES)
        if not _has_users(stack):
            console.rule("Loading sample data")
            size = ("--users", str(users), "--days", str(days), "--seed", str(_SEED))
            logins = ("--demo-logins", str(stack.home / DEMO_LOGINS_FILE_NAME))
            run_step(stack, lock, "neighborconnect", "simulate", *size, *logins, console=console)
        start(stack, _USED_BY_PIPELINES, console=console)
        console.rule("Running the pipelines and training the first models")
        run_step(stack, lock, "pipelines.bootstrap", console=console)
        start(stack, (*MODEL_INDEPENDENT_SERVICES, *BENTO_SERVICES), console=console)


@contextmanager
def exclusive_lock(stack: Stack, *, console: Console) -> Iterator[TextIO]:
    """Wait for and hold the lock that only one ``up`` of a home holds at a time.

    Steps run with ``run_step`` inherit the lock: a second ``up`` waits for a step that outlives a killed first one.
    """
    with (stack.run / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            current_step = lock.read() or "starting services"
            console.print(f"Another `up` is running: {current_step}. Waiting until it has ended.", soft_wrap=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        yield lock


def run_step(
    stack: Stack, lock: TextIO, module: str, *arguments: str, log: str | None = None, console: Console | None = None
) -> None:
    """Run ``python -m module`` to its end, holding ``lock``; output goes to the terminal, or to ``logs/<log>.log``.

    A ``console`` that is not a terminal gets a line at the start, at the end, and every 20 seconds in between.

    Raises:
        StackError: it exits with another code than 0.
    """
    command = " ".join(("python -m", module, *arguments))
    output = (stack.logs / f"{log}.log").open("ab") if log else None
    environment = child_environment(stack)
    plain = console if console is not None and not console.is_terminal else None
    if plain:
        print_line(plain, f"running `{command}`")
    reminders = periodic_message(plain, lambda: f"still running `{command}`") if plain else nullcontext()
    try:
        with (
            reminders,
            subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=environment,
                cwd=PROJECT,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                pass_fds=(lock.fileno(),),
            ) as process,
        ):
            try:
                lock.write(f"`{command}`, process {process.pid}")
                lock.flush()
                process.wait()
            except BaseException:
                process.kill()
                raise
    finally:
        lock.truncate(0)
        if output:
            output.close()
    if plain:
        print_line(plain, f"`{command}` ended with code {process.returncode}")
    if process.returncode:
        output_tail = f": {log_tail(stack.home, log, lines=3)}" if log else "; its output is above"
        raise StackError(f"`{command}` ended with code {process.returncode}{output_tail}")


def _has_users(stack: Stack) -> bool:
    with psycopg.connect(stack.database_url("neighborconnect")) as connection:
        return connection.execute("SELECT 1 FROM users LIMIT 1").fetchone() is not None


def _has_champions(stack: Stack) -> bool:
    """Return whether every model has a champion, from MLflow's tables because its server is slow to start."""
    required = [name for name in MODELS if name not in ADDED_MODELS]
    query = sql.SQL("SELECT count(DISTINCT name) FROM registered_model_aliases WHERE alias = {} AND name = ANY({})")
    with psycopg.connect(stack.database_url("mlflow")) as connection:
        try:
            row = connection.execute(query.format(CHAMPION, required)).fetchone()
        except psycopg.errors.UndefinedTable:
            return False
    return row is not None and row[0] == len(required)


def example_calls(stack: Stack) -> str:
    """Return three ``curl`` commands that register a user, log in and fetch a feed."""
    url = f"{stack.settings['API_URL']}/api/v1"
    name = f"neighbor{secrets.token_hex(3)}"
    credentials = f'"email":"{name}@example.org","password":"a long pass phrase"'
    person = f'{{{credentials},"username":"{name}","first_name":"Ada","last_name":"Okafor","interests":["gardening"]}}'
    post = "curl -sS -H 'content-type: application/json'"
    take_token = """python3 -c 'import json,sys; print(json.load(sys.stdin)["access_token"])'"""  # noqa: S105 - a program
    return "\n".join(
        (
            f"{post} {url}/users/register -d '{person}'",
            f"TOKEN=$({post} {url}/users/login -d '{{{credentials}}}' | {take_token})",
            f"""{post} -H "authorization: Bearer $TOKEN" {url}/recommendations/content -d '{{"limit":5}}'""",
        )
    )
