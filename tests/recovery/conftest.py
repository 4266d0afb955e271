"""The stores of the ingest tests, which nobody else writes to."""

from tests.pipelines.ingest.conftest import api, database, fresh

__all__ = ["api", "database", "fresh"]
