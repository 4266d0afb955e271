"""``neighborconnect dlq``: the records that no row could be made of."""

from __future__ import annotations

from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from neighborconnect.settings import get_settings
from pipelines.ingest.dead_letters import DeadLetter, waiting_letters
from pipelines.ingest.dead_letters import replay as replay_letters

app = typer.Typer(no_args_is_help=True, help="Dead letters: records that the lake or the warehouse could not take.")


@app.command("list")
def list_letters(
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List what waits to be replayed, with the reason.

    Example: neighborconnect dlq list
    """
    letters = waiting_letters(get_settings().kafka_bootstrap_servers)
    if json:
        for letter in letters:
            typer.echo(orjson.dumps(_summary(letter)).decode())
        return
    if not letters:
        typer.echo("No dead letters wait.")
        return
    table = Table("id", "captured (UTC)", "sink", "topic", "reason", title=f"{len(letters)} dead letters")
    for letter in letters:
        table.add_row(letter.id, f"{letter.time:%Y-%m-%d %H:%M:%S}", letter.sink, letter.record.topic, letter.reason)
    Console().print(table)


@app.command()
def show(letter_id: Annotated[str, typer.Argument(metavar="ID", help="As in `dlq list`: partition:offset.")]) -> None:
    """Print one letter whole.

    Example: neighborconnect dlq show 0:12
    """
    for letter in waiting_letters(get_settings().kafka_bootstrap_servers):
        if letter.id == letter_id:
            record = letter.record
            whole = _summary(letter) | {
                "headers": {name: value.decode(errors="replace") for name, value in record.headers},
                "key": (record.key or b"").decode(errors="replace"),
                "value": (record.value or b"").decode(errors="replace"),
            }
            typer.echo(orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode())
            return
    typer.echo(f"No letter {letter_id} waits; `neighborconnect dlq list` shows those that do.", err=True)
    raise typer.Exit(1)


@app.command()
def replay(
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many letters of the list.")] = None,
) -> None:
    """Publish the records again on the topics they came from.

    Example: neighborconnect dlq replay --limit 10
    """
    bootstrap_servers = get_settings().kafka_bootstrap_servers
    letters = waiting_letters(bootstrap_servers)[:limit]
    published = replay_letters(bootstrap_servers, letters)
    typer.echo(f"{len(letters)} letters replayed as {published} records.")
    if cut := sum(letter.truncated for letter in letters):
        typer.echo(f"{cut} were cut when they were set aside and could not be replayed.", err=True)


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
