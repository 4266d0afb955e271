"""Every notebook runs on a small town, and is committed without output."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import psycopg
import pytest
import yaml
from nbclient import NotebookClient
from psycopg import sql

from neighborconnect.settings import Settings
from pipelines.experiments.statistics import MIN_USERS
from pipelines.query.notebook_cli import NOTEBOOKS
from tests.pipelines.analytical_stores import AnalyticalStores
from tests.pipelines.query.conftest import ANA

FILES = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
_CHANGED = ("s3_lake_bucket", "warehouse_url", "warehouse_analyst_url")
_MARTS = NOTEBOOKS.parent / "dbt_project" / "models" / "marts"
_BEFORE_ALL, _NOW = datetime(2000, 1, 1, tzinfo=UTC), datetime.now(UTC)
_POSTS = [str(uuid.UUID(int=100 + number)) for number in range(20)]
_DRIFTING = 60


def create_marts(connection: psycopg.Connection) -> None:
    """Create the marts, empty, with the columns of their contracts."""
    for file in sorted(_MARTS.glob("_*.yml")):
        for mart in yaml.safe_load(file.read_text(encoding="utf-8")).get("models", []):
            columns = ", ".join(f"{column['name']} {column['data_type']}" for column in mart["columns"])
            connection.execute(f"CREATE TABLE IF NOT EXISTS marts.{mart['name']} ({columns})".encode())
            if mart["name"] != "dim_users":
                connection.execute(f"GRANT SELECT ON marts.{mart['name']} TO analyst".encode())


def insert(connection: psycopg.Connection, mart: str, **values: Any) -> None:
    """Insert a row into a mart."""
    names = sql.SQL(", ").join(map(sql.Identifier, values))
    places = sql.SQL(", ").join([sql.Placeholder()] * len(values))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier("marts", mart), names, places)
    connection.execute(statement, list(values.values()))


def fill_marts(connection: psycopg.Connection) -> None:
    create_marts(connection)
    for number, post in enumerate(_POSTS):
        category = ("garden", "kitchen")[number % 2]
        insert(connection, "recommendable_items", item_kind="post", item_id=post, text="", category=category)
    for variant, acts in (("control", (1, 2, 3, 2) * MIN_USERS), ("fresh", (4, 5, 6, 5) * MIN_USERS)):
        insert(connection, "experiment_arms", experiment="feed", variant=variant, users=len(acts))
        for number in acts:
            row = {"experiment": "feed", "variant": variant, "acts": number, "has_crossed_over": False}
            insert(connection, "fct_experiment_users", user_id=uuid.uuid4(), **row)
    insert(connection, "fct_recommendations", path="content", item_kind="post", impressions=9, clicks=3, hides=1)
    for day in range(2):
        decided = {"kept": 1, "labeled": 0, "hidden": 0, "removed": 1, "suspended": 0, "open_at_end": day}
        insert(connection, "daily_moderation", day=_NOW.date() - timedelta(days=day), **decided)
    connection.execute("UPDATE marts.daily_moderation SET median_hours_to_decision = 2")


def clicks() -> Iterator[dict[str, Any]]:
    """Clicks of 40 users on posts of their side of the town, in random order of time."""
    chance = random.Random(3)
    for user in range(40):
        for post in chance.sample(_POSTS[user % 2 :: 2], 7):
            at = (_NOW - timedelta(days=chance.uniform(1, 20))).isoformat()
            person = str(uuid.UUID(int=1_000 + user))
            yield {"user_id": person, "item_id": post, "occurred_at": at, "received_at": at}


@pytest.fixture(scope="module")
def furnished(town: Settings) -> Iterator[Settings]:
    """A town with clicks, moderators' decisions, marts, and the history of a feature that has drifted."""
    stores = AnalyticalStores(town)
    for outcome in ("remove", "keep"):
        stores.put("moderation_decisions", outcome=outcome, rule="spam", created_at=_NOW.isoformat())
    stores.click_all(clicks())
    with psycopg.connect(town.warehouse_url) as warehouse:
        fill_marts(warehouse)
    with psycopg.connect(town.feast_database_url, autocommit=True) as features:
        insertion = "INSERT INTO offline.user_activity (user_id, event_timestamp, clicks_7d) VALUES (%s, %s, %s)"
        features.execute(insertion.encode(), (ANA, _BEFORE_ALL, 3))
        drifting = [(_NOW - timedelta(days=20), 1), (_NOW - timedelta(hours=1), 9)]
        with features.cursor() as cursor:
            cursor.executemany(
                insertion.encode(), [(f"drift-{user}", at, n) for at, n in drifting for user in range(_DRIFTING)]
            )
        yield town
        features.execute(
            "DELETE FROM offline.user_activity WHERE event_timestamp = %s OR user_id LIKE 'drift-%%'", [_BEFORE_ALL]
        )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_notebook_runs_and_is_committed_without_output(
    furnished: Settings, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    notebook = nbformat.read(file, as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    for name in _CHANGED:
        monkeypatch.setenv(name.upper(), str(getattr(furnished, name)))
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(NOTEBOOKS))
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    text = str(outputs)
    for words in _RESULTS.get(file.stem[:2], ()):
        assert words in text


_RESULTS = {
    "03": ("few factors", "more factors", "popularity"),
    "05": ("no guardrail is harmed",),
    "06": ("user_activity.clicks_7d",),
}
"""Words in the output of a notebook, by its number."""
