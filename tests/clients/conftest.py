"""An API that listens, for clients in other languages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from asgi_lifespan import LifespanManager

from neighborconnect.settings import Settings
from tests.transactional_api.listening import serving
from transactional_api.app import create_app


@pytest.fixture
async def api_url(settings: Settings) -> AsyncIterator[str]:
    """Where an API listens over the session's stores."""
    async with LifespanManager(create_app(settings)) as running, serving(running.app) as url:
        yield url
