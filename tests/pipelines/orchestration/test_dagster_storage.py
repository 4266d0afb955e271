"""Connections of Dagster's storage: used again, and after a restart of PostgreSQL replaced."""

from __future__ import annotations

import time

import psycopg
import pytest
import sqlalchemy
from dagster_postgres.run_storage import PostgresRunStorage

from feature_repo.config import repo_config
from neighborconnect.settings import Settings
from pipelines import dagster_storage
from pipelines.dagster_storage import POOL_MAX_OVERFLOW, POOL_RECYCLE_SECONDS, PooledPostgresStorage
from pipelines.webserver import _STATEMENT_TIMEOUT_MS


def server_process(storage: PooledPostgresStorage) -> int:
    """Return the process of PostgreSQL that runs the next statement of the runs."""
    runs = storage.run_storage
    assert isinstance(runs, PostgresRunStorage)
    with runs.connect() as connection:
        return int(connection.scalar(sqlalchemy.text("SELECT pg_backend_pid()")))


@pytest.mark.parametrize("of_webserver", [False, True])
def test_a_closed_connection_fails_no_request(
    settings: Settings, postgres_admin_url: str, *, of_webserver: bool
) -> None:
    storage = PooledPostgresStorage(settings.dagster_database_url)
    if of_webserver:
        storage.run_storage.optimize_for_webserver(_STATEMENT_TIMEOUT_MS, POOL_RECYCLE_SECONDS, POOL_MAX_OVERFLOW)
    runs = storage.run_storage.get_runs_count()
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'dagster'"
        ).fetchall()
    assert ended
    # PostgreSQL itself takes longer to restart.
    time.sleep(POOL_RECYCLE_SECONDS + 0.1)
    assert storage.run_storage.get_runs_count() == runs


def test_statements_use_one_connection(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dagster_storage, "POOL_RECYCLE_SECONDS", 3_600)
    storage = PooledPostgresStorage(settings.dagster_database_url)
    assert len({server_process(storage) for _ in range(5)}) == 1


def test_an_instance_that_ends_closes_its_connections(settings: Settings) -> None:
    storage = PooledPostgresStorage(settings.dagster_database_url)
    runs = storage.run_storage
    assert isinstance(runs, PostgresRunStorage)
    with runs.connect() as connection:
        kept = connection.connection.driver_connection
    assert kept is not None
    assert not kept.closed
    runs.dispose()  # As ``DagsterInstance.dispose`` does, and with it each evaluation of a sensor.
    assert kept.closed


def test_the_feature_registry_tests_connections(settings: Settings) -> None:
    assert repo_config(settings).registry.sqlalchemy_config_kwargs["pool_pre_ping"] is True
