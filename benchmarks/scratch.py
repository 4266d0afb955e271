"""Separate stores for benchmarks that write, so that no topic or table of the platform changes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from kafka.admin import KafkaAdminClient, NewTopic
from minio import Minio
from psycopg.rows import TupleRow
from pydantic import SecretStr

from neighborconnect.contracts.tables import POSTS
from neighborconnect.contracts.topics import PARTITIONS
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings
from transactional_api.cdc.ddl import OUTBOX_TABLES, create_statements, trigger_statements

_TABLES = ("posts", "posts_without_capture")
_FUNCTIONS = ("cdc_wake_relay", "cdc_forbid_truncate", "cdc_capture_posts")
_SCHEMAS = ("raw", "ingest")


@contextmanager
def scratch_capture(settings: Settings, *, topic: str) -> Iterator[Settings]:
    """Make an outbox, a captured table and one without capture, in a database that has no capture of its own.

    Yields:
        Settings whose ``database_url`` is that database; changes of ``posts`` go to ``topic``.
    """
    url = settings.feast_database_url
    with psycopg.connect(url, autocommit=True) as connection:
        _drop_capture(connection)
        for statement in create_statements():
            connection.execute(statement.encode())
        columns = ", ".join(f"{column.name} {column.type.value}" for column in POSTS.columns if column.name != "id")
        for table in _TABLES:
            connection.execute(
                f"CREATE TABLE {table} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), {columns})".encode()
            )
        for statement in trigger_statements(POSTS):
            connection.execute(statement.replace(POSTS.topic, topic).encode())
        try:
            yield settings.model_copy(update={"database_url": url})
        finally:
            _drop_capture(connection)


def _drop_capture(connection: psycopg.Connection[TupleRow]) -> None:
    connection.execute("SET client_min_messages = warning")
    for table in (*_TABLES, *OUTBOX_TABLES):
        connection.execute(f"DROP TABLE IF EXISTS public.{table}".encode())
    for function in _FUNCTIONS:
        connection.execute(f"DROP FUNCTION IF EXISTS public.{function}()".encode())


@contextmanager
def scratch_topic(settings: Settings) -> Iterator[str]:
    """Make a topic with the platform's number of partitions, and remove it afterwards."""
    name = f"benchmark.{uuid.uuid4().hex[:12]}"
    admin = KafkaAdminClient(**client_options(settings.kafka_bootstrap_servers))
    admin.create_topics([NewTopic(name, num_partitions=PARTITIONS, replication_factor=1)])
    try:
        yield name
    finally:
        admin.delete_topics([name])
        admin.close()


@contextmanager
def scratch_stores(settings: Settings) -> Iterator[Settings]:
    """Create a lake bucket and a warehouse schema for one benchmark."""
    objects = Minio(
        settings.s3_endpoint_url.partition("://")[2],
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=settings.s3_endpoint_url.startswith("https://"),
    )
    bucket = f"benchmark-{uuid.uuid4().hex[:12]}"
    objects.make_bucket(bucket)
    _drop_schemas(settings)
    try:
        yield settings.model_copy(update={"s3_lake_bucket": bucket, "warehouse_url": settings.feast_database_url})
    finally:
        _drop_schemas(settings)
        for each in list(objects.list_objects(bucket, recursive=True)):
            objects.remove_object(bucket, str(each.object_name))
        objects.remove_bucket(bucket)


def _drop_schemas(settings: Settings) -> None:
    with psycopg.connect(settings.feast_database_url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        for schema in _SCHEMAS:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())


@contextmanager
def process(*module: str, environment: dict[str, str]) -> Iterator[None]:
    """Run one of the platform's processes, with its own folder for its health file."""
    with tempfile.TemporaryDirectory() as folder:
        started = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=os.environ | environment | {"NEIGHBORCONNECT_HOME": folder},
            stdout=subprocess.DEVNULL,
            # As the supervisor does: Linux may share its processors out by session, and it is no part of the client.
            start_new_session=True,
        )
        try:
            yield
        finally:
            started.terminate()
            started.wait(30)


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return the settings as the environment of a process that reads no file."""
    values = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in settings
        if name != "neighborconnect_home"
    }
    return {name.upper(): str(value) for name, value in values.items() if isinstance(value, str | int | float | Path)}


def wait_until(condition: Callable[[], bool], *, seconds: float = 120, pause: float = 0.02) -> None:
    """Wait for ``condition``.

    Raises:
        TimeoutError: when it does not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Nothing after {seconds:.0f} seconds; is the platform up (`make up`)?")
        time.sleep(pause)
