"""The ``neighborconnect`` command; each part of the platform adds its own commands through entry points."""

from __future__ import annotations

import typer

from neighborconnect.stack import commands as stack_commands

app = typer.Typer(no_args_is_help=True, help="An ML-first data platform for a neighbourhood social network.")
app.add_typer(stack_commands.servers, name="servers")
app.command()(stack_commands.down)
app.command()(stack_commands.status)
