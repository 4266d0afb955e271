"""An empty lake and an empty warehouse for each test, on the session's servers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from minio import Minio
from psycopg import sql

from neighborconnect.settings import Settings
from tests.pipelines.analytical_stores import AnalyticalStores
from tests.pipelines.ingest.api import running_api
from tests.transactional_api.cdc.rows import Connection, connect, raise_event_ids


@pytest.fixture(scope="module")
def api(settings: Settings) -> Iterator[None]:
    """Run the API, which confirms erasures, at the address that the stack's own would have."""
    with running_api(settings):
        yield


@pytest.fixture
def fresh(settings: Settings, postgres_admin_url: str) -> Iterator[Settings]:
    """Settings whose lake bucket and warehouse nobody else has seen."""
    with empty_stores(settings, postgres_admin_url) as fresh:
        yield fresh


@contextmanager
def empty_stores(settings: Settings, postgres_admin_url: str) -> Iterator[Settings]:
    """Make a lake bucket and a warehouse, and drop the warehouse at the end."""
    raise_event_ids(settings)
    name = f"ingest-{uuid.uuid4().hex[:12]}"
    endpoint = settings.s3_endpoint_url.removeprefix("http://")
    objects = Minio(
        endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=False,
    )
    objects.make_bucket(name)
    warehouse = psycopg.conninfo.conninfo_to_dict(settings.warehouse_url)
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(str(warehouse["user"])))
        )
    yield settings.model_copy(
        update={"s3_lake_bucket": name, "warehouse_url": f"{settings.warehouse_url.rpartition('/')[0]}/{name}"}
    )
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def stores(fresh: Settings) -> AnalyticalStores:
    return AnalyticalStores(fresh)


@pytest.fixture
def database(fresh: Settings) -> Iterator[Connection]:
    with connect(fresh) as connection:
        yield connection
