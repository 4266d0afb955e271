"""External profile: prepares servers that this stack does not run, and starts nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

import psycopg
from kafka.errors import KafkaError
from minio import Minio
from minio.error import MinioException
from rich.console import Console
from rich.table import Table
from urllib3.exceptions import HTTPError

from local_stack.errors import StackError
from local_stack.servers.kafka_acls import apply_acls
from local_stack.servers.kafka_client import create_topics
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings, SettingsError, get_settings

_DATABASES = ("database_url", "warehouse_url", "mlflow_database_url", "dagster_database_url", "feast_database_url")
_EXPECTED_ERRORS = (
    SettingsError,
    psycopg.Error,
    KafkaError,
    MinioException,
    HTTPError,
    OSError,
    subprocess.CalledProcessError,
)
_SERVICES = ("api_url", "mlflow_tracking_uri", "recommendation_url", "dagster_url")


def is_external() -> bool:
    """Return whether the environment selects the external profile."""
    return os.environ.get("NEIGHBORCONNECT_PROFILE") == "external"


def _migrate(_settings: Settings) -> None:
    subprocess.run([sys.executable, "-m", "transactional_api.core.db.migrate"], check=True)


def _create_topics(settings: Settings) -> None:
    options = client_options(settings.kafka_bootstrap_servers, settings=settings)
    create_topics(options)
    if settings.kafka_security_protocol.startswith("SASL_"):
        apply_acls(options)


def _create_buckets(settings: Settings) -> None:
    parts = urlsplit(settings.s3_endpoint_url)
    client = Minio(
        parts.netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        region=settings.s3_region,
        secure=parts.scheme == "https",
    )
    for bucket in (
        settings.s3_media_bucket,
        settings.s3_lake_bucket,
        settings.s3_mlflow_bucket,
        settings.s3_audit_bucket,
    ):
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)


def _connect_to_database(url: str) -> None:
    with psycopg.connect(url, connect_timeout=5) as connection:
        connection.execute("SELECT 1")


def _connect_to_port(url: str) -> None:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    socket.create_connection((parts.hostname or "", port), timeout=5).close()


def _error_of(action: Callable[[], None]) -> str:
    try:
        action()
    except _EXPECTED_ERRORS as error:
        return f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return ""


def prepare_external(*, console: Console) -> None:
    """Migrate the schema, create topics and buckets, and print which servers can be reached.

    Raises:
        StackError: a setting is missing, or a data server cannot be used.
    """
    try:
        settings = get_settings()
        servers = {name.upper(): getattr(settings, name) for name in (*_DATABASES, "redis_url", "feast_redis_url")}
    except SettingsError as error:
        raise StackError(str(error)) from None
    preparations: dict[str, Callable[[], None]] = {
        "schema (DATABASE_URL)": lambda: _migrate(settings),
        "topics (KAFKA_BOOTSTRAP_SERVERS)": lambda: _create_topics(settings),
        "buckets (S3_ENDPOINT_URL)": lambda: _create_buckets(settings),
    }
    failed = []
    table = Table(title="NeighborConnect, external servers", title_justify="left")
    for heading in ("server", "outcome"):
        table.add_column(heading, overflow="fold")
    for name, action in preparations.items():
        problem = _error_of(action)
        failed += [name] if problem else []
        table.add_row(name, problem or "[green]ready[/]")
    for name, url in servers.items():
        probe = _connect_to_database if url.startswith("postgresql") else _connect_to_port
        problem = _error_of(lambda probe=probe, url=url: probe(url))  # type: ignore[misc]
        failed += [name] if problem else []
        table.add_row(name, problem or "[green]reached[/]")
    for name in _SERVICES:
        problem = _error_of(lambda name=name: _connect_to_port(getattr(settings, name)))  # type: ignore[misc]
        table.add_row(name.upper(), "[yellow]not started yet[/]" if problem else "[green]reached[/]")
    console.print(table)
    if failed:
        raise StackError(f"Cannot use {', '.join(failed)}; see the table and correct these variables.")
