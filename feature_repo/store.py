"""Open the feature store and bring its registry up to date.

::

    store = build_store(get_settings())
    apply(store)  # idempotent; every writer may call it when it starts
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from feature_repo.config import repo_config
from feature_repo.entities import ENTITIES
from feature_repo.offline import ensure_offline_tables
from feature_repo.services import SERVICES
from feature_repo.vendor_patches import FeatureStore
from feature_repo.views import VIEWS
from neighborconnect.settings import Settings

# Held while the registry is written: Feast reads, compares and writes it in separate transactions.
_APPLY_LOCK = 7_302_114_002


def build_store(settings: Settings) -> FeatureStore:
    """Open the feature store. Cheap after the first import of Feast; use one store from one event loop only."""
    return FeatureStore(config=repo_config(settings))


def apply(store: FeatureStore) -> None:
    """Create the offline tables and register every entity, view and service; safe to repeat and to race."""
    offline = store.config.offline_store
    conninfo = make_conninfo(
        host=offline.host, port=offline.port, dbname=offline.database, user=offline.user, password=offline.password
    )
    ensure_offline_tables(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_APPLY_LOCK,))
        store.apply([*ENTITIES, *VIEWS.values(), *SERVICES.values()])
        store.refresh_registry()  # type: ignore[no-untyped-call]


def close(store: FeatureStore) -> None:
    """Give back the registry's database connections, which Feast otherwise holds until the process ends."""
    registry: Any = store.registry
    for engine in {registry.write_engine, registry.read_engine}:
        engine.dispose()


@contextmanager
def open_store(settings: Settings) -> Iterator[FeatureStore]:
    """Open the feature store for a block and close its connections at the end."""
    store = build_store(settings)
    try:
        yield store
    finally:
        close(store)
