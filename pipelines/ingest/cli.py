"""``neighborconnect dlq``: list, show, replay and discard records that no row could be made of."""

from __future__ import annotations

from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from neighborconnect.settings import get_settings
from pipelines.ingest.dead_letters import DeadLetter, discarded_letters, waiting_letters
from pipelines.ingest.dead_letters import discard as discard_letters
from pipelines.ingest.dead_letters import replay as replay_letters

app = typer.Typer(no_args_is_help=True, help="Dead letters: records that the lake or the warehouse could not take.")


@app.command("list")
def list_letters(
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    discarded: Annotated[bool, typer.Option("--discarded", help="Those that were discarded, and why.")] = False,
) -> None:
    """List the letters that wait to be replayed or discarded, with the reason.

    Example: neighborconnect dlq list
    """
    bootstrap_servers = get_settings().kafka_bootstrap_servers
    if discarded:
        for letter, reason in discarded_letters(bootstrap_servers):
            typer.echo(orjson.dumps(_summary(letter) | {"discarded_because": reason}).decode())
        return
    letters = waiting_letters(bootstrap_servers)
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
    replayed, published = replay_letters(bootstrap_servers, letters)
    typer.echo(f"{replayed} letters replayed as {published} records.")
    if cut := len(letters) - replayed:
        typer.echo(f"{cut} were cut when they were set aside, so they can only be discarded.", err=True)


@app.command()
def discard(
    letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="As in `dlq list`.")] = None,
    *,
    reason: Annotated[str, typer.Option(help="Why nobody needs them; stored with the letters.")],
    topic: Annotated[str | None, typer.Option(help="Every letter whose record came from this topic.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter that waits.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Settle letters that are not worth a replay: by id, by topic, or all. They are not published again.

    Example: neighborconnect dlq discard 0:12 0:13 --reason "sent by a test client"
    """
    if (bool(letter_ids), topic is not None, everything).count(True) != 1:
        raise typer.BadParameter("name letters by id, or by --topic, or all of them by --all: one of the three")
    bootstrap_servers = get_settings().kafka_bootstrap_servers
    waiting = waiting_letters(bootstrap_servers)
    chosen = [one for one in waiting if everything or one.record.topic == topic or one.id in (letter_ids or ())]
    if missing := sorted(set(letter_ids or ()) - {letter.id for letter in chosen}):
        typer.echo(f"No letter {', '.join(missing)} waits, so nothing was discarded.", err=True)
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
