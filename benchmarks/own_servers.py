"""Servers of a benchmark's own with a small simulated town, for figures without a running platform."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg

from local_stack.ports import find_free_offset
from local_stack.service_catalog import child_environment
from local_stack.stack import open_stack
from local_stack.supervisor_client import request_services, stop, wait_until_up
from neighborconnect.settings import Settings, get_settings
from simulator.bulk import load
from simulator.columns import draw_ids
from simulator.history import build_town
from simulator.rows import town_rows
from simulator.spec import TownSpec
from transactional_api.core.db.migrate import migrate

SERVERS: Final = ("postgres", "redis", "s3")
TOWN: Final = TownSpec(users=300, days=28, seed=1, end=datetime(2026, 3, 29, 20, tzinfo=UTC))
_FIRST_OFFSET = 8_000
_NOT_RUNNING: Final = ("content_url", "matching_url", "image_url", "video_url")


@contextmanager
def own_servers() -> Iterator[Settings]:
    """Start PostgreSQL, Valkey and the object store from wheels, with the schema and ``TOWN``; delete them afterwards.

    The API has no model services: a search is by words and spelling.

    Raises:
        RuntimeError: when no block of ports is free.
    """
    offset = find_free_offset(start=_FIRST_OFFSET)
    if offset is None:
        raise RuntimeError(f"No free ports from offset {_FIRST_OFFSET:,}; stop another platform or benchmark")
    folder = Path(tempfile.mkdtemp(prefix="neighborconnect-benchmark-"))
    try:
        stack = open_stack(folder=folder, offset=offset)
        os.environ.update(child_environment(stack))
        for name in _NOT_RUNNING:
            os.environ.pop(name.upper(), None)
        get_settings.cache_clear()
        try:
            request_services(stack, SERVERS)
            wait_until_up(stack, SERVERS)
            settings = get_settings().model_copy(update=dict.fromkeys(_NOT_RUNNING))
            migrate(settings.database_url)
            _load_town(settings)
            yield settings
        finally:
            stop(stack)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _load_town(settings: Settings) -> None:
    town = build_town(TOWN)
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        # Nobody of the town logs in.
        load(connection, town_rows(town, draw_ids(town), password_hash="-"), add=False)  # noqa: S106 (a hash of nothing)
