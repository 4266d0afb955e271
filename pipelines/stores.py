"""Opens the feature store for the length of a step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from feature_repo.feast_import import FeatureStore
from feature_repo.store import build_store, close
from neighborconnect.settings import Settings


@contextmanager
def feature_store(settings: Settings) -> Iterator[FeatureStore]:
    """Open the feature store, and give its connections back."""
    store = build_store(settings)
    try:
        yield store
    finally:
        close(store)
