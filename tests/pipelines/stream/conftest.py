from __future__ import annotations

from collections.abc import Iterator

import pytest

from feature_repo.store import apply, build_store, close
from feature_repo.vendor_patches import FeatureStore
from neighborconnect.settings import Settings
from tests.pipelines.ingest.conftest import api

__all__ = ["api"]


@pytest.fixture(scope="session")
def store(settings: Settings) -> Iterator[FeatureStore]:
    opened = build_store(settings)
    apply(opened)
    yield opened
    close(opened)
