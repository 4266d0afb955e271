"""Migrations are frozen, and carry a database with rows in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from psycopg import sql

import transactional_api.db.migrations
from neighborconnect.settings import Settings
from transactional_api.db.migrate import migrate, migration_config

MIGRATIONS = Path(transactional_api.db.migrations.__file__).parent
FROZEN = "transactional_api.db.migrations."
OUR_PACKAGES = {"neighborconnect", "transactional_api", "pipelines", "feature_repo", "models", "bentos", "simulator"}


def imported_modules(path: Path) -> set[str]:
    """Names of the modules that a file imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.fixture
def empty_database(settings: Settings, postgres_admin_url: str) -> Iterator[str]:
    """The URL of a database without tables, owned by the role of the API."""
    name, owner = f"migrations_{uuid4().hex[:12]}", settings.database_url.split("/")[2].split(":")[0]
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        create = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
        admin.execute(create)
    url = settings.database_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(postgres_admin_url.rpartition("/")[0] + f"/{name}", autocommit=True) as admin:
        for extension in ("pg_trgm", "vector"):
            admin.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
    yield url
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.parametrize(
    "path", sorted(path for path in MIGRATIONS.rglob("*.py") if path.name != "env.py"), ids=lambda path: path.stem
)
def test_a_migration_imports_no_live_code(path: Path) -> None:
    ours = {name for name in imported_modules(path) if name.partition(".")[0] in OUR_PACKAGES}
    assert {name for name in ours if not name.startswith(FROZEN)} == set()


def test_rows_of_the_first_schema_survive_every_migration(empty_database: str) -> None:
    with migration_config(empty_database) as config:
        command.upgrade(config, "0002")
    with psycopg.connect(empty_database, autocommit=True) as old:
        (user,) = old.execute(
            "INSERT INTO users (email, username, password_hash, first_name, last_name, city) "
            "VALUES ('ada@example.org', 'ada', 'x', 'Ada', 'Bell', 'Delft') RETURNING id"
        ).fetchone() or (None,)
        (connector,) = old.execute(
            "INSERT INTO connectors (name, category, created_by) VALUES ('Gardeners', 'gardening', %s) RETURNING id",
            [user],
        ).fetchone() or (None,)
        old.execute(
            "INSERT INTO posts (connector_id, author_id, content) VALUES (%s, %s, 'Who has a ladder?')",
            [connector, user],
        )
        old.execute("UPDATE users SET reputation = 3 WHERE id = %s", [user])

    migrate(empty_database)

    with psycopg.connect(empty_database, autocommit=True) as new:
        row = new.execute("SELECT username, city, reputation, role, personalised FROM users").fetchall()
        assert row == [("ada", "Delft", 3, "member", True)]
        assert new.execute("SELECT content FROM posts").fetchall() == [("Who has a ladder?",)]
        new.execute("UPDATE connectors SET join_policy = 'approval'")
        events = new.execute("SELECT topic, op, after FROM cdc_outbox ORDER BY id").fetchall()
    assert [(topic.rpartition(".")[2], op) for topic, op, _ in events] == [
        ("users", "c"),
        ("connectors", "c"),
        ("posts", "c"),
        ("users", "u"),
        ("connectors", "u"),
    ]
    assert "role" not in events[0][2]
    assert events[-1][2]["join_policy"] == "approval"
