"""From the platform's URLs to Feast's configuration: the one place where they are taken apart."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from psycopg.conninfo import conninfo_to_dict

from feature_repo.vendor_patches import RepoConfig
from neighborconnect.contracts.features import OFFLINE_SCHEMA
from neighborconnect.settings import Settings, sqlalchemy_url

PROJECT = "neighborconnect"
# Longer than the longest TTL of a view: Redis forgets who has gone, readers judge who has merely been quiet.
KEY_TTL = timedelta(days=30)
_REDIS_TIMEOUT_SECONDS = 5
_REGISTRY_CACHE_SECONDS = 600
_ONLINE_WRITE_ROWS = 10_000


def postgres_options(url: str) -> dict[str, Any]:
    """Take a ``postgresql://`` URL apart for Feast's offline store."""
    parts = conninfo_to_dict(url)
    return {
        "host": parts.get("host", "127.0.0.1"),
        "port": int(parts.get("port") or 5432),
        "database": parts["dbname"],
        "user": parts["user"],
        "password": parts.get("password", ""),
        "sslmode": parts.get("sslmode", "prefer"),
    }


def redis_connection_string(url: str) -> str:
    """Write a ``redis://`` or ``rediss://`` URL as Feast's comma-separated connection string.

    Raises:
        ValueError: when the user name or password holds a comma, which Feast's format cannot carry.
    """
    parts = urlsplit(url)
    fields: dict[str, Any] = {
        "db": int(parts.path.lstrip("/") or 0),
        "socket_timeout": _REDIS_TIMEOUT_SECONDS,
        "socket_connect_timeout": _REDIS_TIMEOUT_SECONDS,
    }
    if parts.username:
        fields["username"] = unquote(parts.username)
    if parts.password:
        fields["password"] = unquote(parts.password)
    if parts.scheme == "rediss":
        fields["ssl"] = True
    if any("," in str(value) for value in fields.values()):
        raise ValueError("Feast's Redis connection string cannot hold a comma: choose another FEAST_REDIS_URL password")
    # Feast reads each value as JSON first: quoting keeps a password of digits a string.
    values = (f"{name}={json.dumps(value)}" for name, value in fields.items())
    return ",".join((f"{parts.hostname}:{parts.port or 6379}", *values))


def repo_config(settings: Settings) -> RepoConfig:
    """Return Feast's configuration: registry and history in PostgreSQL, newest values in Redis."""
    return RepoConfig(**repo_options(settings))


def repo_options(settings: Settings) -> dict[str, Any]:
    """Return the content of ``feature_store.yaml``, which contains passwords."""
    return {
        "project": PROJECT,
        "provider": "local",
        "registry": {
            "registry_type": "sql",
            "path": sqlalchemy_url(settings.feast_database_url),
            # A restarted PostgreSQL has closed the connections of the pool.
            "sqlalchemy_config_kwargs": {"pool_pre_ping": True},
            "cache_ttl_seconds": _REGISTRY_CACHE_SECONDS,
            # A materialisation must not make online reads fail while it runs.
            "serve_features_while_materializing": True,
        },
        "offline_store": {
            "type": "postgres",
            "db_schema": OFFLINE_SCHEMA,
            **postgres_options(settings.feast_database_url),
        },
        "online_store": {
            "type": "redis",
            "connection_string": redis_connection_string(settings.feast_redis_url),
            "key_ttl_seconds": int(KEY_TTL.total_seconds()),
        },
        "materialization": {"pull_latest_features": True, "online_write_batch_size": _ONLINE_WRITE_ROWS},
        "entity_key_serialization_version": 3,
    }
