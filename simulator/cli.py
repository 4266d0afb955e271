"""The town's commands: ``neighborconnect simulate`` and ``neighborconnect import-checkins``."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import psycopg
import typer
from argon2 import PasswordHasher
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from neighborconnect.settings import Settings, SettingsError, get_settings
from simulator.bulk import TownError, count_users, is_loopback, load
from simulator.columns import draw_ids
from simulator.door import FrontDoor
from simulator.ground_truth import ground_truth_folder, write_ground_truth
from simulator.history import build_town
from simulator.rows import EMAIL_DOMAIN, town_rows, usernames
from simulator.spec import TownSpec
from simulator.town import Kind, Town

# Everybody's password in a town on this machine; it is printed at the end, and is none elsewhere.
DEMO_PASSWORD = "good-neighbours"  # noqa: S105
_SMALL_TOWN = 50
console = Console()


class Via(StrEnum):
    """How a town comes in."""

    AUTO = "auto"
    API = "api"
    BULK = "bulk"


def simulate(  # noqa: PLR0917 (typer makes options of them)
    users: Annotated[int, typer.Option(min=2, help="People in the town at the end.")] = 300,
    days: Annotated[int, typer.Option(min=1, help="Days of recorded behaviour.")] = 28,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same town.")] = 1,
    via: Annotated[Via, typer.Option(help="auto: the API for one day and up to 50 people, else bulk.")] = Via.AUTO,
    end: Annotated[
        datetime | None, typer.Option(help="When the history ends, UTC; now if not given (bulk only).")
    ] = None,
    interactions: Annotated[
        int | None, typer.Option(min=100, help="Behaviour events to aim at; ten a person and day if not given.")
    ] = None,
    add: Annotated[bool, typer.Option("--add", help="Allow a town that has people already.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Allow a bulk load into a database on another machine.")] = False,
) -> None:
    """Make a town of neighbours with hidden preferences, and let them live in it.

    Example: neighborconnect simulate --users 300 --days 28 --seed 1
    """
    with one_clear_sentence():
        settings = get_settings()
        if via is Via.AUTO:
            via = Via.API if days == 1 and users <= _SMALL_TOWN and end is None else Via.BULK
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            people = count_users(connection)
            if people and not add:
                raise TownError(
                    f"There are {people:,} people in this town already, so nothing was made. "
                    "Add more beside them with --add, or start over with `make reset`."
                )
            spec = TownSpec(
                users=users,
                days=days,
                seed=seed,
                end=(end or datetime.now(UTC)).replace(tzinfo=UTC),
                interactions=interactions,
                first_number=people,
            )
            if via is Via.API:
                _through_the_door(spec, settings)
            else:
                _in_bulk(spec, settings, connection, add=add, yes=yes)


def import_checkins(
    path: Annotated[Path, typer.Argument(exists=True, help="The folder of the set, or its .mat file.")],
    yes: Annotated[bool, typer.Option("--yes", help="Allow a bulk load into a database on another machine.")] = False,
) -> None:
    """Load the New York check-ins of LBSN2Vec as people, venues, memberships, visits and friendships.

    Example: neighborconnect import-checkins lbsn2vec-nyc
    """
    from simulator import checkins  # noqa: PLC0415 (SciPy takes longer to import than a small town to make)

    with one_clear_sentence():
        settings = get_settings()
        password = _password(settings, yes=yes)
        data = checkins.read(path)
        with psycopg.connect(settings.database_url, autocommit=True) as connection, _progress() as progress:
            task = progress.add_task("Loading check-ins", total=None)
            rows = checkins.checkin_rows(data, password_hash=PasswordHasher().hash(password))
            loaded = load(connection, rows, add=False, on_rows=lambda _table, count: progress.advance(task, count))
        console.print(_summary(loaded, title="New York check-ins"))
        console.print(f"Log in as {checkins.username(1)}@{EMAIL_DOMAIN} with password {password}", highlight=False)


def _in_bulk(spec: TownSpec, settings: Settings, connection: psycopg.Connection, *, add: bool, yes: bool) -> None:
    password = _password(settings, yes=yes)
    with _progress() as progress:
        living = progress.add_task("Living through the days", total=spec.days)
        town = build_town(spec, on_day=lambda _day: progress.advance(living))
        ids = draw_ids(town)
        folder = ground_truth_folder(settings.neighborconnect_home, town)
        write_ground_truth(folder, town, ids)
        loading = progress.add_task("Loading rows", total=_row_count(town))
        try:
            loaded = load(
                connection,
                town_rows(town, ids, password_hash=PasswordHasher().hash(password)),
                add=add,
                on_rows=lambda _table, count: progress.advance(loading, count),
            )
        except BaseException:
            shutil.rmtree(folder)
            raise
    console.print(_summary(loaded, title=f"Millbrook, seed {spec.seed}"))
    _say_who(town, password, folder)


def _through_the_door(spec: TownSpec, settings: Settings) -> None:
    town = build_town(spec)
    with _progress() as progress:
        task = progress.add_task("Calling the API", total=None)
        door = FrontDoor(
            town,
            api_url=settings.api_url,
            platform_token=settings.platform_token.get_secret_value(),
            password=DEMO_PASSWORD,
            on_call=lambda _name: progress.advance(task),
        )
        calls = asyncio.run(door.live(feeds=spec.requests))
    folder = ground_truth_folder(settings.neighborconnect_home, town)
    write_ground_truth(folder, town, door.ids())
    console.print(_summary(calls, title=f"Millbrook, seed {spec.seed}, through the API"))
    _say_who(town, DEMO_PASSWORD, folder)


def _row_count(town: Town) -> int:
    said = (town.posts, town.comments, town.likes, town.answers, town.interactions)
    tables = (town.connectors, town.memberships, town.ties, town.events, *said)
    hidden = int(np.count_nonzero(town.interactions.kind == Kind.HIDE))
    return town.people.count + hidden + sum(len(table) for table in tables)


def _say_who(town: Town, password: str, folder: Path) -> None:
    console.print(f"Log in as {usernames(town)[0]}@{EMAIL_DOMAIN} with password {password}", highlight=False)
    console.print(f"The hidden preferences are in {folder}", highlight=False)


def _password(settings: Settings, *, yes: bool) -> str:
    """Return everybody's password: the documented one on this machine only."""
    if is_loopback(settings.database_url):
        return DEMO_PASSWORD
    if not yes:
        raise TownError(
            "DATABASE_URL is on another machine. A bulk load writes past the API and gives everybody one password; "
            "say --yes if that is what you want."
        )
    return secrets.token_urlsafe(12)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _summary(counts: dict[str, int], *, title: str) -> Table:
    table = Table(title=title, show_header=False)
    for name, count in counts.items():
        table.add_row("behaviour events" if name == "cdc_outbox" else name, f"{count:,}")
    return table


@contextmanager
def one_clear_sentence() -> Iterator[None]:
    """Show an expected failure as what it says and end with code 1."""
    try:
        yield
    except (TownError, SettingsError) as error:
        message = str(error)
    except psycopg.OperationalError as error:
        message = f"The database cannot be reached: {str(error).strip()}"
    except ExceptionGroup as group:
        expected, rest = group.split(TownError)
        if expected is None or rest is not None:
            raise
        message = str(expected.exceptions[0])
    else:
        return
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)
