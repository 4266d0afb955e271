"""MLflow and the bentos as real processes beside the session's servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
def run(servers: Stack) -> Iterator[Callable[..., None]]:
    """Start services of the stack by name and wait until they are ready; they run until the session ends."""
    wanted = [*SERVERS]

    def start(*names: str) -> None:
        wanted.extend(name for name in names if name not in wanted)
        want(servers, wanted)
        wait_for(servers, wanted)

    yield start
    want(servers, SERVERS)


@pytest.fixture(scope="session")
def bento(run: Callable[..., None], settings: Settings, store: FeatureStore) -> Iterator[httpx.Client]:
    """A client of the running recommendation bento, which started with an empty registry."""
    run("mlflow", "bento")
    with httpx.Client(base_url=settings.recommendation_url, timeout=30, trust_env=False) as client:
        yield client
