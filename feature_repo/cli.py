"""``neighborconnect features`` and ``neighborconnect feast``: the catalog of the features, and Feast's own command."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import psycopg
import typer
import yaml
from rich.console import Console
from rich.table import Table

from feature_repo.config import repo_options
from feature_repo.descriptions import describe
from feature_repo.schemas import VIEW_SCHEMAS
from feature_repo.services import SERVICES
from feature_repo.statistics import read_features, read_view
from feature_repo.views import FEATURE_VIEW_SPECS, VIEWS
from neighborconnect.settings import Settings, SettingsError, get_settings

CONFIG_FILE = "feature_store.yaml"
_CONNECT_SECONDS = 10


def features(
    view: Annotated[str | None, typer.Argument(help="View whose features to describe.")] = None,
) -> None:
    """List the feature views and services, or the features of one view with statistics of their history.

    Age is that of the newest row in the history. Views that only a stream or a trainer writes have no history.

    Example: neighborconnect features
    Example: neighborconnect features user_activity
    """
    if view is not None and view not in VIEWS:
        _fail(f"There is no feature view {view!r}. There are {', '.join(VIEWS)}.")
    try:
        settings = get_settings()
        url = settings.feast_analyst_url or settings.feast_database_url
        with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
            tables = [_view_table(connection, view)] if view else [_views_table(connection), _services_table()]
    except (SettingsError, psycopg.Error) as error:
        _fail(f"The history of the features cannot be read: {str(error).strip().splitlines()[-1]}")
    for table in tables:
        Console().print(table)


def feast(
    arguments: Annotated[list[str], typer.Argument(help="Arguments of Feast; put `--` before options.")],
) -> None:
    """Run Feast's command on this platform's feature store.

    It writes `feast/feature_store.yaml` to the data folder, readable only by you because it contains passwords, and
    runs `feast` with it. The definitions are applied by the pipelines; do not run `feast apply`.

    Example: neighborconnect feast feature-views list
    Example: neighborconnect feast ui
    Example: neighborconnect feast -- ui --port 8890
    """
    try:
        folder = write_config(get_settings())
    except SettingsError as error:
        _fail(str(error))
    program = Path(sys.executable).with_name("feast")
    os.execv(program, [str(program), "--chdir", str(folder), *arguments])  # noqa: S606 (no shell is involved)


def write_config(settings: Settings) -> Path:
    """Write ``feature_store.yaml`` for Feast's command; return its folder."""
    folder = settings.neighborconnect_home / "feast"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / f".{CONFIG_FILE}.part"
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        yaml.safe_dump(repo_options(settings), file, sort_keys=False)
    part.replace(folder / CONFIG_FILE)
    return folder


def _views_table(connection: psycopg.Connection) -> Table:
    table = Table("view", "keys", "TTL", "fresh within", "age", "rows", "owner", "description", title="Feature views")
    for name, view in VIEWS.items():
        spec, found = FEATURE_VIEW_SPECS[name], read_view(connection, VIEW_SCHEMAS[name])
        age = "" if found.newest is None else _duration((datetime.now(UTC) - found.newest).total_seconds())
        table.add_row(
            name,
            ", ".join(VIEW_SCHEMAS[name].keys),
            "none" if spec.ttl is None else _duration(spec.ttl.total_seconds()),
            _duration(spec.freshness.total_seconds()),
            age,
            f"{found.rows:,}",
            view.owner,
            spec.description,
        )
    return table


def _services_table() -> Table:
    table = Table("service", "views", "owner", "description", title="Feature services")
    for name, service in SERVICES.items():
        views = ", ".join(projection.name for projection in service.feature_view_projections)
        table.add_row(name, views, service.owner, service.description)
    return table


def _view_table(connection: psycopg.Connection, view: str) -> Table:
    schema = VIEW_SCHEMAS[view]
    consumers = ", ".join(consumers_of(view)) or "none"
    table = Table(
        *("feature", "type", "unit", "description", "null", "min", "mean", "max"),
        title=f"{view}: {FEATURE_VIEW_SPECS[view].description}",
        caption=f"Consumers: {consumers}. Of a list, its length is measured.",
    )
    for name, found in read_features(connection, schema).items():
        described = describe(name)
        null = "" if found.null_share is None else f"{found.null_share:.1%}"
        numbers = (_number(value) for value in (found.minimum, found.mean, found.maximum))
        table.add_row(name, schema.features[name].value, described.unit, described.text, null, *numbers)
    return table


def consumers_of(view: str) -> list[str]:
    """Return the feature services that read a view."""
    return [
        name
        for name, service in SERVICES.items()
        if view in {projection.name for projection in service.feature_view_projections}
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length or (seconds >= length and seconds % length == 0):
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _fail(reason: str) -> NoReturn:
    typer.echo(f"error: {reason}", err=True)
    raise typer.Exit(1) from None
