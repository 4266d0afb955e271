"""Databases for towns: each test gets an empty, migrated one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg import sql

from neighborconnect.settings import Settings
from simulator.history import build_town
from simulator.spec import TownSpec
from simulator.town import Town
from tests.processes import stop_process

END = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def town() -> Town:
    """A small town: 150 people, 14 days."""
    return build_town(TownSpec(users=150, days=14, seed=5, end=END))


def database_url_of(url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return url.rpartition("/")[0] + "/" + name


@pytest.fixture(scope="session")
def template(postgres_admin_url: str) -> Iterator[str]:
    """Name of an empty, migrated database to copy from."""
    name = f"town_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    environment = {**os.environ, "DATABASE_URL": database_url_of(postgres_admin_url, name)}
    subprocess.run([sys.executable, "-m", "transactional_api.core.db.migrate"], check=True, env=environment)
    yield name
    # A new connection: tests that kill PostgreSQL may have run in between.
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
        yield database_url_of(postgres_admin_url, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def connection(town_url: str) -> Iterator[psycopg.Connection]:
    """Connection to the database of the test."""
    with psycopg.connect(town_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def environment(town_url: str, settings: Settings, tmp_path: Path) -> dict[str, str]:
    """Environment of commands that use the database of the test."""
    return {"DATABASE_URL": town_url, "NEIGHBORCONNECT_HOME": str(tmp_path), "COLUMNS": "200"}


@pytest.fixture
def api(environment: dict[str, str]) -> Iterator[str]:
    """URL of an API over the database of the test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        environment["API_LISTEN"] = f"127.0.0.1:{free.getsockname()[1]}"
    environment["API_URL"] = url = f"http://{environment['API_LISTEN']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "transactional_api"],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{url}/readyz", timeout=2).is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        yield url
    finally:
        stop_process(process)
