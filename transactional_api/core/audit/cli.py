"""``neighborconnect audit``: verify the audit trail."""

from __future__ import annotations

import asyncio

import typer

from neighborconnect.settings import get_settings
from transactional_api.core.app_context import open_app_context
from transactional_api.core.audit import trail
from transactional_api.core.audit.heads import HeadError, PublishedHeads
from transactional_api.core.audit.trail import Verdict

app = typer.Typer(help="The audit trail.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """Verify the trail of every action that changed something."""


@app.command()
def verify() -> None:
    """Verify the whole chain against its newest published head; exit with 1 if an entry was changed or removed."""
    try:
        verdict = asyncio.run(_verify())
    except HeadError as error:
        typer.echo(f"The trail cannot be verified: {error}.", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{verdict.entries:,} sealed entries are valid; {verdict.unsealed:,} wait to be sealed.")
    if verdict.fault is not None:
        typer.echo(f"The trail is broken: {verdict.fault}.", err=True)
        raise typer.Exit(1)


async def _verify() -> Verdict:
    settings = get_settings()
    published = await PublishedHeads(settings).newest()
    async with open_app_context(settings) as context, context.transaction() as session:
        return await trail.verify(session, published=published)
