"""The product API as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from neighborconnect.settings import Settings
from transactional_api import description, errors, health, quick, well_known
from transactional_api.access_changes import open_access_changes
from transactional_api.analysis.routes import router as analysis
from transactional_api.chat import socket
from transactional_api.chat.hub import open_hub
from transactional_api.chat.routes import router as chat
from transactional_api.connectors.member_routes import router as connector_members
from transactional_api.connectors.routes import router as connectors
from transactional_api.db.plain import open_plain
from transactional_api.events.routes import router as events
from transactional_api.experiments.routes import router as experiments
from transactional_api.inference import InferenceClient
from transactional_api.interactions.routes import router as interactions
from transactional_api.marketplace.routes import router as marketplace
from transactional_api.matching.routes import router as matching
from transactional_api.media.avatar_routes import router as avatars
from transactional_api.media.routes import router as media
from transactional_api.media.stores import open_media
from transactional_api.methods import Methods
from transactional_api.middleware import RequestContext
from transactional_api.moderation.routes import router as moderation
from transactional_api.moments.routes import reels, stories
from transactional_api.notifications.bell import open_bells
from transactional_api.notifications.routes import router as notifications
from transactional_api.oauth.login_routes import router as provider_logins
from transactional_api.oauth.routes import router as oauth
from transactional_api.posts.routes import router as posts
from transactional_api.privacy.routes import router as privacy
from transactional_api.pulse.routes import router as pulse
from transactional_api.rate_limits import open_rate_limits
from transactional_api.recommendations.ranking import Recommender
from transactional_api.recommendations.routes import router as recommendations
from transactional_api.resources import open_resources
from transactional_api.reviews.routes import router as reviews
from transactional_api.search.meanings import AskedWords
from transactional_api.search.routes import router as search
from transactional_api.ties.routes import router as ties
from transactional_api.users import passwords
from transactional_api.users.account_routes import router as accounts
from transactional_api.users.accounts import Accounts
from transactional_api.users.routes import router as users
from transactional_api.users.throttle import Throttle
from transactional_api.vision.routes import images, renditions_of_videos, videos

API_PREFIX = "/api/v1"
DOCS_STATIC = "/docs-static"
# What has fixed paths goes first: they would else be read as somebody's id.
ROUTERS = (
    avatars,
    ties,
    accounts,
    provider_logins,
    users,
    connector_members,
    connectors,
    pulse,
    posts,
    events,
    marketplace,
    reviews,
    chat,
    interactions,
    notifications,
    recommendations,
    search,
    moderation,
    privacy,
    oauth,
    experiments,
    analysis,
    matching,
    media,
    stories,
    reels,
    images,
    renditions_of_videos,
    videos,
)
_METHODS = ("GET", "POST", "PUT", "DELETE")
_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "Last-Event-ID",
    "X-Device-Token",
    "X-Request-Id",
    "traceparent",
)
_EXPOSED = (
    "ETag",
    "X-Request-Id",
    "Idempotent-Replayed",
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
)


@asynccontextmanager
async def _connections(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(open_resources(settings))
        redis = resources.redis
        inference = InferenceClient(settings)
        stack.push_async_callback(inference.aclose)
        app.state.resources, app.state.engine, app.state.redis = resources, resources.engine, redis
        app.state.plain = await stack.enter_async_context(open_plain(settings.database_url, resources.engine))
        app.state.accounts = Accounts(
            settings, redis, asyncio.Semaphore(passwords.AT_ONCE), resources.vault, Throttle(settings, redis)
        )
        app.state.inference = inference
        app.state.rate_limits = open_rate_limits(settings, redis)
        app.state.asked_words = AskedWords(inference)
        app.state.recommender = Recommender(inference, redis)
        app.state.media = open_media(resources)
        app.state.hub = await stack.enter_async_context(open_hub(settings.redis_url, app.state.plain))
        app.state.access_changes = await stack.enter_async_context(open_access_changes(settings))
        app.state.bells = await stack.enter_async_context(open_bells(settings))
        yield


def assemble() -> FastAPI:
    """Put the routes together, with their errors and their description, over no stores."""
    # Its documentation pages bring their scripts along instead of fetching them from a CDN.
    app = FastAPIOffline(**description.METADATA, static_url=DOCS_STATIC, lifespan=_connections)
    errors.install(app, Methods(ROUTERS, prefix=API_PREFIX))
    app.include_router(health.router)
    app.include_router(well_known.router)
    for router in ROUTERS:
        app.include_router(router, prefix=API_PREFIX)
    app.include_router(socket.router)
    quick.install(app, ROUTERS, prefix=API_PREFIX)
    description.install(app)
    return app


def create_app(settings: Settings) -> FastAPI:
    """Build the API over the stores that ``settings`` name; its lifespan opens and closes the connections."""
    app = assemble()
    app.state.settings = settings
    app.add_middleware(RequestContext)
    if settings.cors_allow_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_allow_origins,
            allow_methods=_METHODS,
            allow_headers=_HEADERS,
            expose_headers=_EXPOSED,
            max_age=600,
        )
    return app
