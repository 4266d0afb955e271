"""The other profile: every server is somebody else's, and only what we keep in them is made."""

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

from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings, SettingsError, get_settings
from neighborconnect.stack.errors import StackError
from neighborconnect.stack.kafka_acls import apply_acls
from neighborconnect.stack.kafka_client import create_topics

_DATABASES = ("database_url", "warehouse_url", "mlflow_database_url", "dagster_database_url", "feast_database_url")
_PROBLEMS = (
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
    """Whether the environment asks for servers that are not ours to start."""
    return os.environ.get("NEIGHBORCONNECT_PROFILE") == "external"


def _migrate(_settings: Settings) -> None:
    subprocess.run([sys.executable, "-m", "transactional_api.db.migrate"], check=True)


def _make_topics(settings: Settings) -> None:
    options = client_options(settings.kafka_bootstrap_servers, settings=settings)
    create_topics(options)
    if settings.kafka_security_protocol.startswith("SASL_"):
        apply_acls(options)


def _make_buckets(settings: Settings) -> None:
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


def _reach_database(url: str) -> None:
    with psycopg.connect(url, connect_timeout=5) as connection:
        connection.execute("SELECT 1")


def _reach_port(url: str) -> None:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    socket.create_connection((parts.hostname or "", port), timeout=5).close()


def _outcome(action: Callable[[], None]) -> str:
    try:
        action()
    except _PROBLEMS as error:
        return f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return ""


def prepare_external(*, console: Console) -> None:
    """Migrate, make topics and buckets, and tell what can be reached. Starts nothing.

    Raises:
        StackError: when a setting is missing, or a server that holds data cannot be used.
    """
    try:
        settings = get_settings()
        reached = {name.upper(): getattr(settings, name) for name in (*_DATABASES, "redis_url", "feast_redis_url")}
    except SettingsError as error:
        raise StackError(str(error)) from None
    made: dict[str, Callable[[], None]] = {
        "schema (DATABASE_URL)": lambda: _migrate(settings),
        "topics (KAFKA_BOOTSTRAP_SERVERS)": lambda: _make_topics(settings),
        "buckets (S3_ENDPOINT_URL)": lambda: _make_buckets(settings),
    }
    failed = []
    table = Table(title="NeighborConnect, external servers", title_justify="left")
    for heading in ("what", "outcome"):
        table.add_column(heading, overflow="fold")
    for name, action in made.items():
        problem = _outcome(action)
        failed += [name] if problem else []
        table.add_row(name, problem or "[green]made[/]")
    for name, url in reached.items():
        probe = _reach_database if url.startswith("postgresql") else _reach_port
        problem = _outcome(lambda probe=probe, url=url: probe(url))  # type: ignore[misc]
        failed += [name] if problem else []
        table.add_row(name, problem or "[green]reached[/]")
    for name in _SERVICES:
        problem = _outcome(lambda name=name: _reach_port(getattr(settings, name)))  # type: ignore[misc]
        table.add_row(name.upper(), "[yellow]not started yet[/]" if problem else "[green]reached[/]")
    console.print(table)
    if failed:
        raise StackError(f"Not usable: {', '.join(failed)}; see the table, then correct these variables.")
