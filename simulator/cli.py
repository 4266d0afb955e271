"""Commands ``neighborconnect simulate`` and ``neighborconnect import-checkins``."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from argon2 import PasswordHasher
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from neighborconnect.settings import Settings, SettingsError, get_settings
from simulator.api_client import ApiClient
from simulator.bulk import TownError, count_users, is_loopback, load
from simulator.columns import draw_ids
from simulator.ground_truth import ground_truth_folder, write_ground_truth
from simulator.history import build_town
from simulator.incidents import MODERATORS
from simulator.rows import EMAIL_DOMAIN, town_rows, town_uploads, usernames
from simulator.spec import SHOWN_PEOPLE, TownSpec
from simulator.stored_media import DocumentDatabase, MediaBucket, store
from simulator.town import Town

# Password of all simulated users on this machine; a database elsewhere gets a random one.
DEMO_PASSWORD = "good-neighbours"  # noqa: S105
_MAX_API_USERS = 50
console = Console()


class Via(StrEnum):
    """How a town is loaded."""

    AUTO = "auto"
    API = "api"
    BULK = "bulk"


def simulate(  # noqa: PLR0917 (typer makes options of them)
    users: Annotated[int, typer.Option(min=2, help="Number of users at the end.")] = 300,
    days: Annotated[int, typer.Option(min=1, help="Days of interactions.")] = 28,
    seed: Annotated[int, typer.Option(min=0, help="Random seed; the same seed yields the same town.")] = 1,
    via: Annotated[Via, typer.Option(help="auto: the API for one day and up to 50 users, else bulk.")] = Via.AUTO,
    end: Annotated[datetime | None, typer.Option(help="End of the history, UTC; defaults to now (bulk only).")] = None,
    interactions: Annotated[
        int | None, typer.Option(min=100, help="Target number of interaction events; defaults to ten per user and day.")
    ] = None,
    add: Annotated[bool, typer.Option("--add", help="Allow a database that has users already.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Allow a bulk load into a database on another machine.")] = False,
    demo_logins: Annotated[
        Path | None, typer.Option(help="File that receives the logins of three people, for the web app (bulk only).")
    ] = None,
) -> None:
    """Simulate a town of users with hidden preferences, and load its history.

    Example: neighborconnect simulate --users 300 --days 28 --seed 1
    """
    with exit_on_error():
        settings = get_settings()
        if via is Via.AUTO:
            via = Via.API if days == 1 and users <= _MAX_API_USERS and end is None else Via.BULK
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            people = count_users(connection)
            if people and not add:
                raise TownError(
                    f"The database has {people:,} users already, so nothing was loaded. "
                    "Add more with --add, or start over with `make reset`."
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
                _simulate_through_api(spec, settings)
            else:
                _simulate_in_bulk(spec, settings, connection, add=add, yes=yes, demo_logins=demo_logins)


def import_checkins(
    path: Annotated[Path, typer.Argument(exists=True, help="Folder of the data set, or its .mat file.")],
    yes: Annotated[bool, typer.Option("--yes", help="Allow a bulk load into a database on another machine.")] = False,
) -> None:
    """Load the New York check-ins of LBSN2Vec as users, connectors, memberships, visits and follows.

    Example: neighborconnect import-checkins lbsn2vec-nyc
    """
    from simulator import checkins  # noqa: PLC0415 (importing SciPy takes longer than simulating a small town)

    with exit_on_error():
        settings = get_settings()
        password = _password(settings, yes=yes)
        data = checkins.read(path)
        with psycopg.connect(settings.database_url, autocommit=True) as connection, progress_bar() as progress:
            task = progress.add_task("Loading check-ins", total=None)
            rows = checkins.checkin_rows(data, password_hash=PasswordHasher().hash(password))
            loaded = load(connection, rows, add=False, on_rows=lambda _table, count: progress.advance(task, count))
        console.print(_summary(loaded, title="New York check-ins"))
        console.print(f"Log in as {checkins.username(1)}@{EMAIL_DOMAIN} with password {password}", highlight=False)


def _simulate_in_bulk(
    spec: TownSpec,
    settings: Settings,
    connection: psycopg.Connection,
    *,
    add: bool,
    yes: bool,
    demo_logins: Path | None,
) -> None:
    password = _password(settings, yes=yes)
    with progress_bar() as progress:
        simulating = progress.add_task("Simulating days", total=spec.days)
        town = build_town(spec, on_day=lambda _day: progress.advance(simulating))
        ids = draw_ids(town)
        folder = ground_truth_folder(settings.neighborconnect_home, town)
        write_ground_truth(folder, town, ids)
        uploads, stored = town_uploads(town, ids), []
        drawing = progress.add_task("Storing pictures", total=3 * len(uploads))
        loading = progress.add_task("Loading rows", total=None)
        bucket, documents = MediaBucket(settings), DocumentDatabase(settings)
        try:
            for key in store(uploads, bucket):
                stored.append(key)
                progress.advance(drawing)
            loaded = load(
                connection,
                documents.divert(town_rows(town, ids, password_hash=PasswordHasher().hash(password))),
                add=add,
                on_rows=lambda _table, count: progress.advance(loading, count),
            )
        except BaseException:
            shutil.rmtree(folder)
            for key in stored:
                bucket.remove(key)
            documents.remove_inserted()
            raise
    console.print(_summary(loaded, title=f"Millbrook, seed {spec.seed}"))
    _print_login(town, password, folder, is_moderated=True)
    if demo_logins is not None:
        _write_demo_logins(town, password, demo_logins)


def _simulate_through_api(spec: TownSpec, settings: Settings) -> None:
    town = build_town(spec)
    with progress_bar() as progress:
        task = progress.add_task("Calling the API", total=None)
        client = ApiClient(
            town,
            api_url=settings.api_url,
            platform_token=settings.platform_token.get_secret_value(),
            password=DEMO_PASSWORD,
            on_call=lambda _name: progress.advance(task),
        )
        calls = asyncio.run(client.run(feeds=spec.requests))
    folder = ground_truth_folder(settings.neighborconnect_home, town)
    write_ground_truth(folder, town, client.ids())
    console.print(_summary(calls, title=f"Millbrook, seed {spec.seed}, through the API"))
    _print_login(town, DEMO_PASSWORD, folder, is_moderated=False)


def _print_login(town: Town, password: str, folder: Path, *, is_moderated: bool) -> None:
    names = usernames(town)
    console.print(f"Log in as {names[0]}@{EMAIL_DOMAIN} with password {password}", highlight=False)
    if is_moderated:
        console.print(
            f"{names[MODERATORS[0]]}@{EMAIL_DOMAIN} is a moderator; the password is the same", highlight=False
        )
    console.print(f"The hidden preferences are in {folder}", highlight=False)


def _write_demo_logins(town: Town, password: str, path: Path) -> None:
    """Write the logins of three people, readable by their owner alone."""
    names, people = usernames(town), town.people
    described = (
        (0, "A neighbor with entries in every list"),
        (SHOWN_PEOPLE, "A neighbor as most are"),
        (MODERATORS[0], "A moderator, who may also open /console"),
    )
    logins = [
        {
            "name": f"{people.first_names[number]} {people.last_names[number]}",
            "description": description,
            "email": f"{names[number]}@{EMAIL_DOMAIN}",
            "password": password,
        }
        for number, description in described
        if number < people.count
    ]
    path.touch(mode=0o600)
    path.write_text(json.dumps({"logins": logins}, ensure_ascii=False, indent=2), encoding="utf-8")


def _password(settings: Settings, *, yes: bool) -> str:
    """Return the password of all users: the documented one for a database on this machine, else a random one."""
    if is_loopback(settings.database_url):
        return DEMO_PASSWORD
    if not yes:
        raise TownError(
            "DATABASE_URL is on another machine. A bulk load bypasses the API and gives all users the same password; "
            "confirm it with --yes."
        )
    return secrets.token_urlsafe(12)


def progress_bar() -> Progress:
    """Return a progress bar for the terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _summary(counts: dict[str, int], *, title: str) -> Table:
    table = Table(title=title, show_header=False)
    for name, count in counts.items():
        table.add_row("interaction events" if name == "cdc_outbox" else name, f"{count:,}")
    return table


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Print the message of an expected error to stderr and exit with code 1."""
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
