"""From nothing to a personal feed: the order of things in ``neighborconnect up``."""

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

from neighborconnect.contracts.models import CHAMPION, MODELS
from neighborconnect.stack.catalogue import BEFORE_THE_FIRST_MODEL, BENTOS, SERVERS, SERVICE_ORDER, child_environment
from neighborconnect.stack.child import log_tail
from neighborconnect.stack.control import check_start
from neighborconnect.stack.errors import StackError
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.platform import PROJECT
from neighborconnect.stack.progress import reminding, say, start

_TOWN = ("neighborconnect", "simulate", "--users", "300", "--days", "28", "--seed", "7")


def bring_up(stack: Stack, *, console: Console) -> None:
    """Start all that is not running, and make what is missing: schema, town, first model.

    Raises:
        StackError: when a step fails; names the step and its log.
    """
    with alone(stack, console=console) as lock:
        check_start(stack, SERVICE_ORDER)
        start(stack, SERVERS, console=console)
        run(stack, lock, "transactional_api.db.migrate", log="migrate", console=console)
        if _has_champions(stack):
            start(stack, (*BEFORE_THE_FIRST_MODEL, *BENTOS), console=console)
            return
        start(stack, BEFORE_THE_FIRST_MODEL, console=console)
        if not _has_users(stack):
            console.rule("A small town moves in")
            run(stack, lock, *_TOWN, console=console)
        console.rule("The pipelines run once, and the first models are trained")
        run(stack, lock, "pipelines.bootstrap", console=console)
        start(stack, BENTOS, console=console)


@contextmanager
def alone(stack: Stack, *, console: Console) -> Iterator[TextIO]:
    """Hold the home's lock, having waited for it.

    What is run with it shares it: a step that outlives its ``up`` is waited for, and not done a second time beside it.
    """
    with (stack.run / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            doing = lock.read() or "starting what does not run yet"
            console.print(f"Another `up` is at work here: {doing}. Waiting until it has ended.", soft_wrap=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        yield lock


def run(
    stack: Stack, lock: TextIO, module: str, *arguments: str, log: str | None = None, console: Console | None = None
) -> None:
    """Run a one-shot, which keeps ``lock`` while it lives; its output goes to the terminal, or to ``logs/<log>.log``.

    A ``console`` that is no terminal gets a line at the start, at the end, and regularly in between.

    Raises:
        StackError: when it fails.
    """
    command = " ".join(("python -m", module, *arguments))
    output = (stack.logs / f"{log}.log").open("ab") if log else None
    environment = child_environment(stack)
    plain = console if console is not None and not console.is_terminal else None
    if plain:
        say(plain, f"`{command}` starts")
    reminders = reminding(plain, lambda: f"`{command}` is running") if plain else nullcontext()
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
        say(plain, f"`{command}` ended with code {process.returncode}")
    if process.returncode:
        told = f": {log_tail(stack.home, log, lines=3)}" if log else ", as told above"
        raise StackError(f"`{command}` ended with code {process.returncode}{told}")


def _has_users(stack: Stack) -> bool:
    with psycopg.connect(stack.database_url("neighborconnect")) as connection:
        return connection.execute("SELECT 1 FROM users LIMIT 1").fetchone() is not None


def _has_champions(stack: Stack) -> bool:
    """Whether every model has a champion, asked of MLflow's tables since its server takes its time to start."""
    query = sql.SQL("SELECT count(DISTINCT name) FROM registered_model_aliases WHERE alias = {} AND name = ANY({})")
    with psycopg.connect(stack.database_url("mlflow")) as connection:
        try:
            row = connection.execute(query.format(CHAMPION, list(MODELS))).fetchone()
        except psycopg.errors.UndefinedTable:
            return False
    return row is not None and row[0] == len(MODELS)


def example_calls(stack: Stack) -> str:
    """Return three ``curl`` lines that register somebody new, log them in and fetch their feed."""
    url = f"{stack.settings['API_URL']}/api/v1"
    name = f"neighbour{secrets.token_hex(3)}"
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
