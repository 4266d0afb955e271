"""A warehouse with rows of two users in ``raw``, as the sink writes them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import psycopg
import pytest
from dbt.cli.main import dbtRunner
from dbt.artifacts.schemas.run import RunResult
from psycopg.types.json import Jsonb

from neighborconnect.contracts.tables import ColumnType
from neighborconnect.contracts.topics import STREAM_BY_TABLE
from neighborconnect.settings import Settings
from pipelines.ingest.warehouse_tables import create_tables
from pipelines.warehouse import dbt
from tests.dbt_project.offers import put_offers

DATABASE = "warehouse_for_dbt"
NAMESPACE = UUID("5f0c3c52-6f0b-4c36-9a3e-0d6e6a5f7a11")


class Warehouse:
    """A warehouse whose ``raw`` rows a test writes as the sink does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._connection = psycopg.connect(settings.warehouse_url, autocommit=True)
        self._event_ids = itertools.count(1)
        create_tables(self._connection)

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def put(self, table: str, **values: Any) -> None:
        stream = STREAM_BY_TABLE[table]
        row = {"_event_id": next(self._event_ids), "_op": "c", "_committed_at": datetime.now(UTC)} | values
        if stream.is_change_stream:
            row["_deleted"] = False
        types = {column.name: column.type for column in stream.columns}
        stored = [Jsonb(value) if types.get(name) is ColumnType.JSON else value for name, value in row.items()]
        self.sql(
            f"insert into raw.{table} ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})",
            *stored,
        )

    def delete(self, table: str, *, row_id: UUID) -> None:
        blank = ", ".join(f"{c.name} = null" for c in STREAM_BY_TABLE[table].columns if c.name != "id")
        self.sql(
            f"update raw.{table} set {blank}, _deleted = true, _op = 'd', _event_id = %s, _committed_at = now() "
            "where id = %s",
            next(self._event_ids),
            row_id,
        )

    def build(self, *arguments: str) -> list[RunResult]:
        """Run models, snapshots and data tests, or the given selection."""
        return self.dbt("build", "--exclude-resource-type", "unit_test", *arguments)

    def build_models(self, *arguments: str) -> list[RunResult]:
        """Run models and snapshots without tests."""
        return self.dbt("build", "--exclude-resource-type", "unit_test", "test", *arguments)

    def dbt(self, *arguments: str) -> list[RunResult]:
        """Run dbt in this process, because each start of dbt takes seconds.

        Raises:
            DbtError: if a node fails; the message lists the failures.
        """
        with pytest.MonkeyPatch.context() as patch:
            for name, value in dbt.environment(self.settings).items():
                patch.setenv(name, value)
            options = ["--project-dir", str(dbt.PROJECT_DIR), "--quiet", "--log-level-file", "none"]
            outcome = dbtRunner().invoke([*arguments, *options])
        if outcome.exception is not None:
            raise dbt.DbtError(str(outcome.exception))
        results: list[RunResult] = list(outcome.result.results)
        failures = [f"{r.node.name}: {r.message}" for r in results if r.status in {"error", "fail"}]
        if not outcome.success or failures:
            raise dbt.DbtError("\n".join(failures))
        return results

    def close(self) -> None:
        self._connection.close()


def row_id(name: str) -> UUID:
    return uuid5(NAMESPACE, name)


@contextmanager
def own_warehouse(settings: Settings, admin_url: str, *, database: str) -> Iterator[Warehouse]:
    """Create an empty warehouse and drop it afterwards."""
    url = urlsplit(settings.warehouse_url)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f"drop database if exists {database} with (force)".encode())
        admin.execute(f"create database {database} owner {url.username}".encode())
    own = Warehouse(settings.model_copy(update={"warehouse_url": url._replace(path=f"/{database}").geturl()}))
    yield own
    own.close()
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f"drop database {database} with (force)".encode())


@pytest.fixture(scope="package")
def built(settings: Settings, postgres_admin_url: str) -> Iterator[Warehouse]:
    """A warehouse with all models built and tested. Tests that change rows use their own days or undo the change."""
    with own_warehouse(settings, postgres_admin_url, database=DATABASE) as own:
        populate(own)
        own.build()
        yield own


def populate(warehouse: Warehouse) -> None:
    """Add two users, a connector, a post with a like, a recommendation with a click, and offers of one to the other."""
    monday = datetime(2026, 11, 16, 9, tzinfo=UTC)
    stamps = {"created_at": monday, "updated_at": monday, "is_active": True}
    ana, ben, garden, post = (row_id(name) for name in ("ana", "ben", "garden", "post"))
    for user in ("ana", "ben"):
        warehouse.put("users", id=row_id(user), username=user, city="Brooklyn", interests=["gardening"], **stamps)
    warehouse.put(
        "connectors",
        id=garden,
        name="Roof gardens",
        category="Gardening",
        created_by=ana,
        is_public=True,
        _committed_at=monday,
        **stamps,
    )
    for member, role in ((ana, "admin"), (ben, "member")):
        warehouse.put(
            "connector_members",
            id=uuid5(member, "joins"),
            connector_id=garden,
            user_id=member,
            role=role,
            joined_at=monday,
        )
    warehouse.put(
        "posts", id=post, connector_id=garden, author_id=ana, title="Seeds", content="Swap on Sunday?", **stamps
    )
    warehouse.put("post_likes", id=row_id("like"), post_id=post, user_id=ben, created_at=monday)
    put_offers(warehouse, seller=ana, guest=ben, garden=garden, at=monday)
    request = row_id("request")
    warehouse.put(
        "predictions",
        request_id=request,
        user_id=ben,
        item_kind="post",
        path="collaborative",
        model_version="1",
        item_ids=[str(post)],
        scores=[0.5],
        features={},
        latency_ms=7.5,
        predicted_at=monday,
    )
    warehouse.put(
        "exposures",
        exposure_id=row_id("exposure"),
        user_id=ben,
        experiment="feed",
        variant="control",
        exposed_at=monday,
    )
    for kind, minute in (("impression", 1), ("click", 2), ("impression", 50)):
        warehouse.put(
            "interactions",
            interaction_id=row_id(f"{kind}{minute}"),
            user_id=ben,
            kind=kind,
            item_kind="post",
            item_id=post,
            request_id=request if minute < 50 else None,
            position=0,
            occurred_at=monday.replace(minute=minute),
            received_at=monday.replace(minute=minute),
        )
