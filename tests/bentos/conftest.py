"""MLflow and the bentos as real processes next to the session's servers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from minio import Minio

from feature_repo.store import apply, build_store, close
from feature_repo.vendor_patches import FeatureStore
from local_stack.service_catalog import SERVERS
from local_stack.stack import Stack
from local_stack.supervisor_client import request_services, stop, wait_until_up
from models.tracking import RunResult
from models.vision.train import promote, train
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings

SOON = timedelta(minutes=5)


class Files:
    """The media bucket, and links into it."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.s3_media_bucket
        self._client = Minio(
            urlsplit(settings.s3_endpoint_url).netloc,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=False,
            region=settings.s3_region,
        )

    def put(self, data: bytes) -> str:
        """Keep a file and return a link to read it."""
        key = f"tests/{uuid4()}"
        self._client.put_object(self._bucket, key, io.BytesIO(data), len(data))
        return str(self._client.presigned_get_object(self._bucket, key, SOON))

    def target(self) -> tuple[str, Callable[[], bytes]]:
        """Return a link to write to, and what reads what was written."""
        key = f"tests/{uuid4()}"
        link = str(self._client.presigned_put_object(self._bucket, key, SOON))
        return link, lambda: bytes(self._client.get_object(self._bucket, key).data)


@pytest.fixture(scope="session")
def store(settings: Settings) -> Iterator[FeatureStore]:
    opened = build_store(settings)
    apply(opened)
    yield opened
    close(opened)


@pytest.fixture(scope="session")
def run(servers: Stack, folder_exit: ExitStack) -> Iterator[Callable[..., None]]:
    """Start services of the stack by name and wait until they are ready; they run until the folder ends."""
    wanted = [*SERVERS]
    folder_exit.callback(lambda: stop(servers, tuple(name for name in wanted if name not in SERVERS)))

    def start(*names: str) -> None:
        wanted.extend(name for name in names if name not in wanted)
        request_services(servers, wanted)
        wait_until_up(servers, wanted)

    yield start
    folder_exit.close()


@pytest.fixture(scope="session")
def bento(run: Callable[..., None], settings: Settings, store: FeatureStore) -> Iterator[httpx.Client]:
    """A client of the running recommendation bento, which started with an empty registry."""
    run("mlflow", "bento")
    with httpx.Client(
        base_url=settings.recommendation_url, headers=bearer(settings.platform_token), timeout=30, trust_env=False
    ) as client:
        yield client


@pytest.fixture(scope="session")
def files(settings: Settings) -> Files:
    return Files(settings)


@pytest.fixture(scope="session")
def vision(run: Callable[..., None], settings: Settings) -> RunResult:
    """The vision model, trained and released once for both services."""
    run("mlflow")
    result = train(settings, seed=1, progress=lambda _text: None)
    assert result.promote, result.reasons
    assert promote(settings, result)
    return result
