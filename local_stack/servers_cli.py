"""PostgreSQL, Valkey, S3 and Kafka alone, without the platform's own processes."""

from __future__ import annotations

import typer

from local_stack.cli import console, existing_stack, exit_on_error, status
from local_stack.errors import StackError
from local_stack.managed_process import find_tagged_processes
from local_stack.progress import start
from local_stack.service_catalog import SERVERS, SERVICE_ORDER
from local_stack.stack import open_stack, stack_exists
from local_stack.status import read_status, status_table
from local_stack.supervisor_client import stop

app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.command(epilog="Example: NEIGHBORCONNECT_PORT_OFFSET=100 neighborconnect servers up")
def up() -> None:
    """Start the four servers and wait until each has stored a test write."""
    with exit_on_error():
        stack = open_stack()
        start(stack, SERVERS, console=console)
        console.print(status_table(read_status(stack)))


@app.command(epilog="Example: neighborconnect servers down")
def down() -> None:
    """Stop the four servers; refused while other processes run, because each of them needs a server. Data stays."""
    with exit_on_error():
        if stack_exists():
            stack = existing_stack()
            running = find_tagged_processes(stack.home)
            if others := [name for name in SERVICE_ORDER if name in running and name not in SERVERS]:
                raise StackError(
                    f"These need the servers: {', '.join(others)}. Stop everything with `neighborconnect down`, or one "
                    "server and its dependents with `neighborconnect stop NAME`."
                )
            stop(stack)
        console.print("Stopped.")


app.command(epilog="Example: neighborconnect servers status --json")(status)
