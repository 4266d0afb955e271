"""Connections of Dagster's web server after a restart of PostgreSQL."""

from __future__ import annotations

import time

import psycopg
from dagster_postgres.run_storage import PostgresRunStorage

from feature_repo.config import repo_config
from neighborconnect.settings import Settings
from pipelines.webserver import _POOL_MAX_OVERFLOW, _POOL_RECYCLE_SECONDS, _STATEMENT_TIMEOUT_MS


def test_a_closed_connection_fails_no_request(settings: Settings, postgres_admin_url: str) -> None:
    storage = PostgresRunStorage(settings.dagster_database_url, should_autocreate_tables=True)
    storage.optimize_for_webserver(_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_SECONDS, _POOL_MAX_OVERFLOW)
    try:
        runs = storage.get_runs_count()
        with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'dagster'"
            ).fetchall()
        assert ended
        # PostgreSQL itself takes longer to restart.
        time.sleep(_POOL_RECYCLE_SECONDS + 0.1)
        assert storage.get_runs_count() == runs
    finally:
        storage.dispose()


def test_the_feature_registry_tests_connections(settings: Settings) -> None:
    assert repo_config(settings).registry.sqlalchemy_config_kwargs["pool_pre_ping"] is True
