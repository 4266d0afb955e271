"""``neighborconnect dlq``: list, show, replay and discard dead letters."""

from __future__ import annotations

from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from neighborconnect.settings import get_settings
from pipelines.ingest.dead_letters import DeadLetter, discarded_letters, pending_letters
from pipelines.ingest.dead_letters import discard as discard_letters
from pipelines.ingest.dead_letters import replay as replay_letters

app = typer.Typer(no_args_is_help=True, help="Dead letters: records that the lake or the warehouse rejected.")


@app.command("list")
def list_letters(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
    discarded: Annotated[bool, typer.Option("--discarded", help="List the discarded letters with the reason.")] = False,
) -> None:
    """List the pending letters with the reason of their rejection.

    Example: neighborconnect dlq list
    """
    bootstrap_servers = get_settings().kafka_bootstrap_servers
    if discarded:
        for letter, reason in discarded_letters(bootstrap_servers):
            typer.echo(orjson.dumps(_summary(letter) | {"discarded_because": reason}).decode())
        return
    letters = pending_letters(bootstrap_servers)
    if json:
        for letter in letters:
            typer.echo(orjson.dumps(_summary(letter)).decode())
        return
    if not letters:
        typer.echo("No dead letters are pending.")
        return
    table = Table("id", "captured (UTC)", "sink", "topic", "reason", title=f"{len(letters)} pending dead letters")
    for letter in letters:
        table.add_row(letter.id, f"{letter.time:%Y-%m-%d %H:%M:%S}", letter.sink, letter.record.topic, letter.reason)
    Console().print(table)


@app.command()
def show(letter_id: Annotated[str, typer.Argument(metavar="ID", help="As in `dlq list`: partition:offset.")]) -> None:
    """Print one letter with its headers, key and value.

    Example: neighborconnect dlq show 0:12
    """
    for letter in pending_letters(get_settings().kafka_bootstrap_servers):
        if letter.id == letter_id:
            record = letter.record
            details = _summary(letter) | {
                "headers": {name: value.decode(errors="replace") for name, value in record.headers},
                "key": (record.key or b"").decode(errors="replace"),
                "value": (record.value or b"").decode(errors="replace"),
            }
            typer.echo(orjson.dumps(details, option=orjson.OPT_INDENT_2).decode())
            return
    typer.echo(f"No letter {letter_id} is pending; `neighborconnect dlq list` shows the pending ones.", err=True)
    raise typer.Exit(1)


@app.command()
def replay(
    limit: Annotated[
        int | None, typer.Option(min=1, help="Replay at most this many letters, in the order of the list.")
    ] = None,
) -> None:
    """Publish the records again to their original topics.

    Example: neighborconnect dlq replay --limit 10
    """
    bootstrap_servers = get_settings().kafka_bootstrap_servers
    letters = pending_letters(bootstrap_servers)[:limit]
    replayed, published = replay_letters(bootstrap_servers, letters)
    typer.echo(f"{replayed} letters replayed as {published} records.")
    if truncated := len(letters) - replayed:
        typer.echo(f"{truncated} letters are truncated and can only be discarded.", err=True)


@app.command()
def discard(
    letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="As in `dlq list`.")] = None,
    *,
    reason: Annotated[str, typer.Option(help="Reason, stored with the letters.")],
    topic: Annotated[str | None, typer.Option(help="Discard every letter of a record from this topic.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Discard every pending letter.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Discard letters by id, by topic, or all. Their records are not published again.

    Example: neighborconnect dlq discard 0:12 0:13 --reason "sent by a test client"
    """
    if (bool(letter_ids), topic is not None, everything).count(True) != 1:
        raise typer.BadParameter("give ids, --topic or --all: exactly one of the three")
    bootstrap_servers = get_settings().kafka_bootstrap_servers
    pending = pending_letters(bootstrap_servers)
    chosen = [
        letter for letter in pending if everything or letter.record.topic == topic or letter.id in (letter_ids or ())
    ]
    if missing := sorted(set(letter_ids or ()) - {letter.id for letter in chosen}):
        typer.echo(f"No pending letter has the id {', '.join(missing)}; nothing was discarded.", err=True)
        raise typer.Exit(1)
    if chosen and not yes:
        typer.confirm(f"Discard {len(chosen)} letters?", abort=True)
    discard_letters(bootstrap_servers, chosen, reason=reason)
    typer.echo(f"{len(chosen)} letters discarded.")


def _summary(letter: DeadLetter) -> dict[str, object]:
    record = letter.record
    return {
        "id": letter.id,
        "captured_at": letter.time.isoformat(),
        "sink": letter.sink,
        "reason": letter.reason,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "truncated": letter.truncated,
    }
