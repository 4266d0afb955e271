"""``neighborconnect audit``: whether the trail of what was done is whole."""

from __future__ import annotations

import asyncio

import typer

from neighborconnect.settings import get_settings
from transactional_api.audit import trail
from transactional_api.audit.trail import Verdict
from transactional_api.resources import open_resources

app = typer.Typer(help="The audit trail.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """Look at the trail of every action that changed something."""


@app.command()
def verify() -> None:
    """Read the whole chain; ends with status 1 where an entry was changed or taken out."""
    verdict = asyncio.run(_verify())
    typer.echo(f"{verdict.entries:,} entries are sealed and hold; {verdict.unsealed:,} wait to be sealed.")
    if verdict.fault is not None:
        typer.echo(f"The trail is broken: {verdict.fault}.", err=True)
        raise typer.Exit(1)


async def _verify() -> Verdict:
    async with open_resources(get_settings()) as resources, resources.transaction() as session:
        return await trail.verify(session)
