"""MLflow and the bento as real processes beside the session's servers."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from feature_repo.feast_import import FeatureStore
from feature_repo.store import apply, build_store, close
from neighborconnect.settings import Settings
from neighborconnect.stack.catalogue import SERVERS
from neighborconnect.stack.control import wait_for, want
from neighborconnect.stack.layout import Stack


@pytest.fixture(scope="session")
def store(settings: Settings) -> Iterator[FeatureStore]:
    opened = build_store(settings)
    apply(opened)
    yield opened
    close(opened)


@pytest.fixture(scope="session")
def bento(servers: Stack, settings: Settings, store: FeatureStore) -> Iterator[httpx.Client]:
    """A client of the running bento, which started with an empty registry."""
    names = (*SERVERS, "mlflow", "bento")
    want(servers, names)
    wait_for(servers, names)
    with httpx.Client(base_url=settings.recommendation_url, timeout=30, trust_env=False) as client:
        yield client
    want(servers, SERVERS)
