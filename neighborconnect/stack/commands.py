"""The stack's part of the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from neighborconnect.stack.catalogue import SERVERS
from neighborconnect.stack.control import stop, wait_for, want
from neighborconnect.stack.errors import StackError
from neighborconnect.stack.layout import Stack, open_stack
from neighborconnect.stack.state import Record
from neighborconnect.stack.status import read_status, status_table

console = Console()
servers = typer.Typer(no_args_is_help=True, help="PostgreSQL, Valkey, S3 and Kafka alone, without our own processes.")


@contextmanager
def one_clear_sentence() -> Iterator[None]:
    """Show a ``StackError`` as what it says and end with code 1."""
    try:
        yield
    except StackError as error:
        console.print(f"[bold red]error:[/] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


@contextmanager
def progress_of(names: tuple[str, ...]) -> Iterator[Callable[[list[Record]], None]]:
    """Show a line a service while they start."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        tasks = {name: progress.add_task(f"{name}: waiting", total=1) for name in names}

        def show(records: list[Record]) -> None:
            for record in records:
                told = f"{record.name}: {record.state}" + (f" ({record.detail})" if record.detail else "")
                done = 1 if record.state == "ready" else 0
                progress.update(tasks[record.name], description=told.splitlines()[0], completed=done)

        yield show


def start(stack: Stack, names: tuple[str, ...]) -> None:
    """Start services and show how it goes."""
    with progress_of(names) as show:
        want(stack, names)
        wait_for(stack, names, on_progress=show)


@servers.command("up", epilog="Example: NEIGHBORCONNECT_PORT_OFFSET=100 neighborconnect servers up")
def servers_up() -> None:
    """Start the four servers and wait until each has kept a write."""
    with one_clear_sentence():
        stack = open_stack()
        start(stack, SERVERS)
        console.print(status_table(read_status(stack)))


@servers.command("down", epilog="Example: neighborconnect servers down")
def servers_down() -> None:
    """Stop everything of this home. Data stays."""
    down()


@servers.command("status", epilog="Example: neighborconnect servers status --json")
def servers_status(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show what runs where, with its memory."""
    status(as_json=as_json)


def down() -> None:
    """Stop everything of this home. Data stays. Example: neighborconnect down"""
    with one_clear_sentence():
        stop(open_stack())
        console.print("Stopped.")


def status(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show what runs where, with its memory. Example: neighborconnect status --json"""
    with one_clear_sentence():
        lines = read_status(open_stack())
        if as_json:
            typer.echo(json.dumps([asdict(line) for line in lines], indent=1))
        else:
            console.print(status_table(lines))
