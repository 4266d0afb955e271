"""The storage of ``dagster.yaml``: Dagster's PostgreSQL storage with connections that are used again.

Dagster opens a connection for each statement. Its password exchange takes both sides longer than most statements, and
a run writes thousands of events.
"""

from __future__ import annotations

from typing import Any, Final, Self

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config

POOL_RECYCLE_SECONDS: Final = 1
"""Age from which a connection is not used again.

The pool does not test connections before use: after a restart of PostgreSQL, each stale one would fail a statement.
"""
POOL_MAX_OVERFLOW: Final = 20
_NO_TIMEOUT: Final = 0


class PooledPostgresStorage(DagsterPostgresStorage):
    """Runs, events and schedules in PostgreSQL, over one pool of connections each."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Create the storages; the arguments are those of ``DagsterPostgresStorage``."""
        super().__init__(*arguments, **options)
        for storage in (self.run_storage, self.event_log_storage, self.schedule_storage):
            storage.optimize_for_webserver(_NO_TIMEOUT, POOL_RECYCLE_SECONDS, POOL_MAX_OVERFLOW)
        # The code server opens an instance for each evaluation of a sensor. Its end disposes of the storage of runs and
        # closes no pool: connections would stay open until the garbage collector finds their engines.
        self._run_storage.dispose = self.close  # type: ignore[method-assign]

    def close(self) -> None:
        """Close the connections that nobody uses; a later statement opens another one."""
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine.dispose()  # noqa: SLF001 (nothing else closes it)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Return the storage of a configuration as ``DagsterPostgresStorage`` has it."""
        return cls(
            pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
        )
