from __future__ import annotations

from collections.abc import Iterator

import pytest

from feature_repo.store import apply, build_store, close
from feature_repo.vendor_patches import FeatureStore
from neighborconnect.settings import Settings


@pytest.fixture(scope="session")
def store(settings: Settings) -> Iterator[FeatureStore]:
    opened = build_store(settings)
    apply(opened)
    yield opened
    close(opened)
