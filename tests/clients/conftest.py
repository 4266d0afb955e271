"""An API that listens, for clients in other languages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from asgi_lifespan import LifespanManager

from neighborconnect.settings import Settings
from tests.empty_database import no_data_of_other_files as no_data_of_other_files  # noqa: PLC0414 (a fixture)
from tests.transactional_api.local_server import serving
from transactional_api.app import create_app
from transactional_api.core.app_context import AppContext, open_app_context
from transactional_api.core.jobs.worker import run_due


@pytest.fixture
async def api_url(settings: Settings) -> AsyncIterator[str]:
    """Where an API listens over the session's stores."""
    async with LifespanManager(create_app(settings)) as running, serving(running.app) as url:
        yield url


@asynccontextmanager
async def running_jobs(settings: Settings) -> AsyncIterator[None]:
    """Run background jobs, as the worker process does."""

    async def work(context: AppContext) -> None:
        while True:
            await run_due(context)
            await asyncio.sleep(0.2)

    async with open_app_context(settings) as context:
        working = asyncio.create_task(work(context))
        try:
            yield
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working


@pytest.fixture
async def job_worker(settings: Settings) -> AsyncIterator[None]:
    """Background jobs that run."""
    async with running_jobs(settings):
        yield
