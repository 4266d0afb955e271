from tests.pipelines.ingest.conftest import api, database, fresh, stores

__all__ = ["api", "database", "fresh", "stores"]
