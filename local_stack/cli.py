"""Commands of the local stack: start, stop and inspect the servers and processes of one machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from local_stack import supervisor_client
from local_stack.bring_up import SAMPLE_DAYS, SAMPLE_USERS, bring_up, example_calls
from local_stack.errors import StackError
from local_stack.external import is_external, prepare_external
from local_stack.os_users import data_folder_for, unprivileged_user
from local_stack.ports import OFFSETS, OFFSETS_DESCRIPTION, Ports, find_free_offset, is_free
from local_stack.progress import start as start_with_progress
from local_stack.service_catalog import SERVICE_ORDER, services
from local_stack.stack import (
    ERASURES_FILE_NAME,
    OFFSET_VARIABLE,
    Stack,
    environment_offset,
    open_stack,
    read_stack,
    stack_exists,
)
from local_stack.status import read_status, status_table, supervisor_problem
from neighborconnect.service_auth import OPERATOR
from neighborconnect.settings import SettingsError, get_settings, home

console = Console()
ServiceNames = Annotated[list[str], typer.Argument(help=f"One or more of: {', '.join(SERVICE_ORDER)}.")]


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Print the message of a ``StackError`` to stderr and exit with code 1."""
    try:
        yield
    except StackError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


def existing_stack() -> Stack:
    """Return the stack of the home without changing it; warn if the shell sets another port offset than the home's."""
    stack = read_stack()
    if (requested := environment_offset()) not in (None, stack.ports.offset):
        typer.echo(
            f"warning: {OFFSET_VARIABLE} is {requested} and is ignored: {stack.home} uses offset {stack.ports.offset}.",
            err=True,
        )
    return stack


def _stack_to_start() -> Stack:
    if not stack_exists():
        raise StackError(f"{home()} has no stack; start one with `neighborconnect up`.")
    if (home() / ERASURES_FILE_NAME).exists():
        raise StackError(f"{home()} is restored; `neighborconnect up` migrates it and repeats later erasures.")
    return open_stack()


def _check_names(stack: Stack, names: list[str]) -> tuple[str, ...]:
    available = services(stack)
    if unknown := [name for name in names if name not in available]:
        raise StackError(f"Unknown service {', '.join(unknown)}; the services are {', '.join(available)}.")
    return tuple(dict.fromkeys(names))


def up(
    users: Annotated[
        int, typer.Option(min=50, help="Users of the sample town that the first start loads.")
    ] = SAMPLE_USERS,
    days: Annotated[int, typer.Option(min=14, help="Days of the sample town's history.")] = SAMPLE_DAYS,
) -> None:
    """Start everything; on the first start also load sample data and train the first models.

    With NEIGHBORCONNECT_PROFILE=external it starts nothing: it migrates the schema, creates topics and buckets, and
    reports which servers it can reach.

    Example: neighborconnect up --users 100 --days 21
    """
    with exit_on_error():
        if is_external():
            prepare_external(console=console)
            return
        stack = open_stack()
        bring_up(stack, users=users, days=days, console=console)
        console.print(status_table(read_status(stack)))
        console.print("\nUser and password of Dagster and MLflow: neighborconnect credentials")
        console.print("\nRegister, log in, and fetch a personal feed:\n", style="bold")
        typer.echo(example_calls(stack))


def down() -> None:
    """Stop everything of this home. Data stays.

    Example: neighborconnect down
    """
    with exit_on_error():
        if stack_exists():
            supervisor_client.stop(existing_stack())
        console.print("Stopped.")


def start(names: ServiceNames) -> None:
    """Start services and their dependencies, and wait until they are ready.

    Example: neighborconnect start jobs
    """
    with exit_on_error():
        stack = _stack_to_start()
        names_with_dependencies = supervisor_client.with_dependencies(stack, _check_names(stack, names))
        start_with_progress(stack, names_with_dependencies, console=console)


def stop(names: ServiceNames) -> None:
    """Stop services and their dependents. They stay stopped until `start` or `up`.

    Example: neighborconnect stop kafka
    """
    with exit_on_error():
        if not stack_exists():
            raise StackError(f"{home()} has no stack.")
        stack = existing_stack()
        requested = _check_names(stack, names)
        stopping = supervisor_client.with_dependents(stack, requested)
        if dependents := [name for name in stopping if name not in requested]:
            dependents_text = ", ".join(dependents)
            console.print(f"Also stopping what depends on {', '.join(requested)}: {dependents_text}.", soft_wrap=True)
        supervisor_client.stop(stack, stopping)
        console.print(f"Stopped {', '.join(stopping)}.", soft_wrap=True)


def restart(names: ServiceNames) -> None:
    """Restart services one after the other, and wait until they are ready. Dependents keep running.

    Example: neighborconnect restart dagster-webserver
    """
    with exit_on_error():
        stack = _stack_to_start()
        requested = _check_names(stack, names)
        for name in (name for name in SERVICE_ORDER if name in requested):
            supervisor_client.restart(stack, (name,))
            console.print(f"Restarted {name}.")


def status(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the state of each process at its last health probe, its URL and its memory.

    Exits with code 1 when the supervisor is dead or hangs, because then no process is probed or restarted.

    Example: neighborconnect status --json
    """
    with exit_on_error():
        lines = read_status(existing_stack()) if stack_exists() else []
        if as_json:
            typer.echo(json.dumps([asdict(line) for line in lines], indent=1))
        else:
            console.print(status_table(lines))
        if problem := supervisor_problem(lines):
            raise StackError(problem)


def ports(
    offset: Annotated[
        int | None, typer.Argument(help=f"The new offset: {OFFSETS_DESCRIPTION}. Omit it to show the ports in use.")
    ] = None,
) -> None:
    """Show the ports of this home, or move all of them to another offset while nothing runs. Data stays.

    Example: neighborconnect ports 100
    """
    with exit_on_error():
        if offset is None:
            stack = (
                existing_stack()
                if stack_exists()
                else Stack(home=home(), ports=Ports(environment_offset() or 0), secrets={})
            )
            typer.echo(f"offset {stack.ports.offset}: {', '.join(map(str, sorted(stack.ports.all)))}")
            return
        if offset not in OFFSETS:
            raise StackError(f"{offset} is not a valid offset; use {OFFSETS_DESCRIPTION}.")
        if stack_exists() and supervisor_client.is_running(read_stack()):
            raise StackError(f"{home()} is running; stop it first with `neighborconnect down`.")
        if taken := [str(port) for port in Ports(offset).all if not is_free(port)]:
            raise StackError(f"At offset {offset} port {taken[0]} is taken; offset {find_free_offset()} is free.")
        open_stack(offset=offset, move=True)
        console.print(f"{home()} uses port offset {offset}; start it with `neighborconnect up`.", soft_wrap=True)


def reset(*, yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False) -> None:
    """Stop everything and delete all data of this home.

    Example: neighborconnect reset --yes
    """
    folder = home()
    if not stack_exists():
        console.print(f"{folder} has no stack.")
        return
    if not yes:
        typer.confirm(f"Delete {folder} with all its databases, events and models?", abort=True)
    with exit_on_error():
        supervisor_client.stop(existing_stack())
        for data_folder in {folder, data_folder_for(unprivileged_user(), home=folder)}:
            shutil.rmtree(data_folder, ignore_errors=not data_folder.exists())
        console.print(f"Deleted {folder}.")


def logs(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(('supervisor', *SERVICE_ORDER))}.")],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Number of most recent lines.")] = 50,
) -> None:
    """Show the log of a process.

    Example: neighborconnect logs relay --follow
    """
    path = home() / "logs" / f"{name}.log"
    with exit_on_error():
        if not path.exists():
            available = sorted(log.stem for log in path.parent.glob("*.log"))
            raise StackError(f"{name!r} has no log; the logs are {', '.join(available) or 'none'}.")
    command = ["tail", "-n", str(lines), *(["-f"] if follow else []), str(path)]
    if follow:
        os.execvp(command[0], command)  # noqa: S606 - the pager replaces this process
    subprocess.run(command, check=True)


def credentials() -> None:
    """Print the addresses of Dagster and MLflow with their browser user name and password.

    Example: neighborconnect credentials
    """
    try:
        settings = get_settings()
        password = settings.operator_password.get_secret_value()
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"Dagster  {settings.dagster_url}\nMLflow   {settings.mlflow_tracking_uri}")
    typer.echo(f"user     {OPERATOR}\npassword {password}")
