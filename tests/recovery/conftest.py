"""The stores of the ingest tests, which nobody else writes to."""

from tests.pipelines.ingest.conftest import database, fresh

__all__ = ["database", "fresh"]
