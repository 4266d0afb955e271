"""Databases of their own for towns: each test gets a migrated, empty one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from simulator.history import build_town
from simulator.spec import TownSpec
from simulator.town import Town

END = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def town() -> Town:
    """A small town: 150 people, a fortnight."""
    return build_town(TownSpec(users=150, days=14, seed=5, end=END))


def database_beside(url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return url.rpartition("/")[0] + "/" + name


@pytest.fixture(scope="session")
def template(postgres_admin_url: str) -> Iterator[str]:
    """Name of an empty, migrated database to copy from."""
    name = f"town_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    environment = {**os.environ, "DATABASE_URL": database_beside(postgres_admin_url, name)}
    subprocess.run([sys.executable, "-m", "transactional_api.db.migrate"], check=True, env=environment)
    yield name
    # Another connection: tests that kill PostgreSQL may have run since.
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@pytest.fixture
def town_url(postgres_admin_url: str, template: str) -> Iterator[str]:
    """URL of an empty, migrated database for one test."""
    name = f"town_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        yield database_beside(postgres_admin_url, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def connection(town_url: str) -> Iterator[psycopg.Connection]:
    """A connection to the test's own database."""
    with psycopg.connect(town_url, autocommit=True) as connection:
        yield connection
