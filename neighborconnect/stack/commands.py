"""The stack's part of the command line."""

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

from neighborconnect.service_auth import OPERATOR
from neighborconnect.settings import SettingsError, get_settings, home
from neighborconnect.stack.accounts import account_for_unprivileged, folder_for
from neighborconnect.stack.bring_up import bring_up, example_calls
from neighborconnect.stack.catalogue import SERVERS, SERVICE_ORDER, services
from neighborconnect.stack.child import find_marked
from neighborconnect.stack.control import is_running, restart, stop, with_dependents, with_needs
from neighborconnect.stack.errors import StackError
from neighborconnect.stack.external import is_external, prepare_external
from neighborconnect.stack.layout import OFFSET_VARIABLE, Stack, open_stack, read_stack, shell_offset, stack_exists
from neighborconnect.stack.ports import OFFSETS, OFFSETS_IN_WORDS, Ports, free_offset, is_free
from neighborconnect.stack.progress import start
from neighborconnect.stack.status import read_status, status_table, supervisor_problem

console = Console()
ServiceNames = Annotated[list[str], typer.Argument(help=f"Some of: {', '.join(SERVICE_ORDER)}.")]
servers = typer.Typer(no_args_is_help=True, help="PostgreSQL, Valkey, S3 and Kafka alone, without our own processes.")


@contextmanager
def one_clear_sentence() -> Iterator[None]:
    """Show a ``StackError`` as what it says and end with code 1."""
    try:
        yield
    except StackError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


def _existing_stack() -> Stack:
    """Return the home's stack, unchanged; warns where the shell names other ports than the home's."""
    stack = read_stack()
    if (wanted := shell_offset()) not in (None, stack.ports.offset):
        typer.echo(
            f"warning: {OFFSET_VARIABLE} is {wanted} and does not count: "
            f"{stack.home} uses offset {stack.ports.offset}.",
            err=True,
        )
    return stack


def up() -> None:
    """Start everything, load a small town and train the first model where there is none.

    With NEIGHBORCONNECT_PROFILE=external it starts nothing: it migrates, makes topics and buckets, and tells what it
    reaches.
    """
    with one_clear_sentence():
        if is_external():
            prepare_external(console=console)
            return
        stack = open_stack()
        bring_up(stack, console=console)
        console.print(status_table(read_status(stack)))
        console.print("\nUser and password of Dagster and MLflow: neighborconnect credentials")
        console.print("\nRegister, log in, and fetch a personal feed:\n", style="bold")
        typer.echo(example_calls(stack))


@servers.command("up", epilog="Example: NEIGHBORCONNECT_PORT_OFFSET=100 neighborconnect servers up")
def servers_up() -> None:
    """Start the four servers and wait until each has kept a write."""
    with one_clear_sentence():
        stack = open_stack()
        start(stack, SERVERS, console=console)
        console.print(status_table(read_status(stack)))


def _known(stack: Stack, names: list[str]) -> tuple[str, ...]:
    known = services(stack)
    if unknown := [name for name in names if name not in known]:
        raise StackError(f"There is no service {', '.join(unknown)}; there are {', '.join(known)}.")
    return tuple(dict.fromkeys(names))


def _used_stack() -> Stack:
    if not stack_exists():
        raise StackError(f"There is nothing at {home()}; start with `neighborconnect up`.")
    return open_stack()


def start_services(names: ServiceNames) -> None:
    """Start services and what they need, and wait until they are ready."""
    with one_clear_sentence():
        stack = _used_stack()
        start(stack, with_needs(stack, _known(stack, names)), console=console)


def stop_services(names: ServiceNames) -> None:
    """Stop services and what needs them. They stay stopped until `start` or `up`."""
    with one_clear_sentence():
        if not stack_exists():
            raise StackError(f"There is nothing at {home()}.")
        stack = _existing_stack()
        named = _known(stack, names)
        going = with_dependents(stack, named)
        if more := [name for name in going if name not in named]:
            console.print(f"Stopping what needs {', '.join(named)}, too: {', '.join(more)}.", soft_wrap=True)
        stop(stack, going)
        console.print(f"Stopped {', '.join(going)}.", soft_wrap=True)


def restart_services(names: ServiceNames) -> None:
    """Restart services one after the other, and wait until they are ready. What needs them goes on."""
    with one_clear_sentence():
        stack = _used_stack()
        named = _known(stack, names)
        for name in (name for name in SERVICE_ORDER if name in named):
            restart(stack, (name,))
            console.print(f"Restarted {name}.")


def servers_down() -> None:
    """Stop the four servers. Refuses while other processes run, since each of them needs a server. Data stays."""
    with one_clear_sentence():
        if stack_exists():
            stack = _existing_stack()
            running = find_marked(stack.home)
            if others := [name for name in SERVICE_ORDER if name in running and name not in SERVERS]:
                raise StackError(
                    f"These need the servers: {', '.join(others)}. Stop everything with `neighborconnect down`, or one "
                    "server and what needs it with `neighborconnect stop NAME`."
                )
            stop(stack)
        console.print("Stopped.")


def down() -> None:
    """Stop everything of this home. Data stays."""
    with one_clear_sentence():
        if stack_exists():
            stop(_existing_stack())
        console.print("Stopped.")


def status(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show the state of each process by its last health probe, its URL and its memory.

    Ends with code 1 when the supervisor is dead or hangs: then nothing is probed or restarted.
    """
    with one_clear_sentence():
        lines = read_status(_existing_stack()) if stack_exists() else []
        if as_json:
            typer.echo(json.dumps([asdict(line) for line in lines], indent=1))
        else:
            console.print(status_table(lines))
        if problem := supervisor_problem(lines):
            raise StackError(problem)


def ports(
    offset: Annotated[
        int | None, typer.Argument(help=f"The new offset: {OFFSETS_IN_WORDS}. Without it, shows the ports in use.")
    ] = None,
) -> None:
    """Show the ports of this home, or move them all by an offset while nothing runs. Data stays."""
    with one_clear_sentence():
        if offset is None:
            stack = (
                _existing_stack()
                if stack_exists()
                else Stack(home=home(), ports=Ports(shell_offset() or 0), secrets={})
            )
            typer.echo(f"offset {stack.ports.offset}: {', '.join(map(str, sorted(stack.ports.all)))}")
            return
        if offset not in OFFSETS:
            raise StackError(f"{offset} is no offset; give {OFFSETS_IN_WORDS}: there two stacks share no port.")
        if stack_exists() and is_running(read_stack()):
            raise StackError(f"{home()} is running; stop it first with `neighborconnect down`.")
        if taken := [str(port) for port in Ports(offset).all if not is_free(port)]:
            raise StackError(f"At offset {offset} port {taken[0]} is taken; {free_offset()} is free.")
        open_stack(offset=offset, move=True)
        console.print(f"{home()} uses port offset {offset}; start it with `neighborconnect up`.", soft_wrap=True)


def reset(*, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop everything and delete all data of this home."""
    folder = home()
    if not stack_exists():
        console.print(f"There is nothing at {folder}.")
        return
    if not yes:
        typer.confirm(f"Delete {folder} and every row, event and model in it?", abort=True)
    with one_clear_sentence():
        stop(_existing_stack())
        for place in {folder, folder_for(account_for_unprivileged(), home=folder)}:
            shutil.rmtree(place, ignore_errors=not place.exists())
        console.print(f"Deleted {folder}.")


def logs(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(('supervisor', *SERVICE_ORDER))}.")],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 50,
) -> None:
    """Show what a process wrote."""
    path = home() / "logs" / f"{name}.log"
    with one_clear_sentence():
        if not path.exists():
            known = sorted(log.stem for log in path.parent.glob("*.log"))
            raise StackError(f"There is no log of {name!r}; there are {', '.join(known) or 'none'}.")
    command = ["tail", "-n", str(lines), *(["-f"] if follow else []), str(path)]
    if follow:
        os.execvp(command[0], command)  # noqa: S606 - the pager takes over this process
    subprocess.run(command, check=True)


def credentials() -> None:
    """Print where Dagster and MLflow are, and the user and password that open them in a browser."""
    try:
        settings = get_settings()
        password = settings.operator_password.get_secret_value()
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"Dagster  {settings.dagster_url}\nMLflow   {settings.mlflow_tracking_uri}")
    typer.echo(f"user     {OPERATOR}\npassword {password}")


def register(app: typer.Typer) -> None:
    """Add the stack's commands to the platform's command line."""
    app.command(epilog="Example: neighborconnect up")(up)
    app.add_typer(servers, name="servers")
    app.command(epilog="Example: neighborconnect down")(down)
    servers.command("down", epilog="Example: neighborconnect servers down")(servers_down)
    app.command("start", epilog="Example: neighborconnect start jobs")(start_services)
    app.command("stop", epilog="Example: neighborconnect stop kafka")(stop_services)
    app.command("restart", epilog="Example: neighborconnect restart dagster-webserver")(restart_services)
    for group, prefix in ((app, "neighborconnect"), (servers, "neighborconnect servers")):
        group.command(epilog=f"Example: {prefix} status --json")(status)
    app.command(epilog="Example: neighborconnect ports 100")(ports)
    app.command(epilog="Example: neighborconnect logs relay --follow")(logs)
    app.command(epilog="Example: neighborconnect credentials")(credentials)
    app.command(epilog="Example: neighborconnect reset --yes")(reset)
