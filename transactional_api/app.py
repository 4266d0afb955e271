"""The product API as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from redis.asyncio import Redis

from neighborconnect.settings import Settings
from transactional_api import errors, health
from transactional_api.connectors.routes import router as connectors
from transactional_api.db.session import create_engine
from transactional_api.middleware import RequestContext
from transactional_api.posts.routes import router as posts
from transactional_api.users import passwords
from transactional_api.users.routes import router as users
from transactional_api.users.service import Accounts

API_PREFIX = "/api/v1"
REDIS_CONNECTIONS = 32


def create_app(settings: Settings) -> FastAPI:
    """Build the API over the stores that ``settings`` name; its lifespan opens and closes the connections."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = create_engine(settings.database_url)
        redis = Redis.from_url(
            settings.redis_url, max_connections=REDIS_CONNECTIONS, socket_timeout=2, socket_connect_timeout=2
        )
        app.state.settings, app.state.engine, app.state.redis = settings, engine, redis
        app.state.accounts = Accounts(settings, redis, asyncio.Semaphore(passwords.AT_ONCE))
        try:
            yield
        finally:
            await redis.aclose()
            await engine.dispose()

    app = FastAPI(title="NeighborConnect API", lifespan=lifespan)
    errors.install(app)
    app.include_router(health.router)
    for router in (users, connectors, posts):
        app.include_router(router, prefix=API_PREFIX)
    app.add_middleware(RequestContext)
    return app
