"""The product API as an ASGI application."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from neighborconnect.memory import tune_gc
from neighborconnect.settings import Settings, get_settings
from neighborconnect.telemetry import configure_logging
from neighborconnect.tracing.instrumentation import Library
from neighborconnect.tracing.provider import configure_tracing
from transactional_api import (
    slices,  # noqa: F401 (registers jobs, moderation subjects and withdrawal steps)
    web_app,
)
from transactional_api.community.chat import socket
from transactional_api.community.chat.hub import open_hub
from transactional_api.community.chat.routes import router as chat
from transactional_api.community.chat.routes import settings_router as chat_settings
from transactional_api.community.connectors.member_routes import router as connector_members
from transactional_api.community.connectors.routes import router as connectors
from transactional_api.community.events.routes import router as events
from transactional_api.community.live_status.routes import router as live_status
from transactional_api.community.marketplace.routes import router as marketplace
from transactional_api.community.media.avatar_routes import router as avatars
from transactional_api.community.media.routes import router as media
from transactional_api.community.moderation.routes import router as moderation
from transactional_api.community.notifications.routes import router as notifications
from transactional_api.community.notifications.unread import open_notification_signals
from transactional_api.community.notifications.unsubscribe_routes import router as unsubscribes
from transactional_api.community.posts.list_routes import router as post_lists
from transactional_api.community.posts.routes import router as posts
from transactional_api.community.reviews.routes import router as reviews
from transactional_api.community.search.embeddings import QueryEmbedder
from transactional_api.community.search.routes import router as search
from transactional_api.community.stories.routes import reels, stories
from transactional_api.community.webhooks.routes import router as webhooks
from transactional_api.console import app as console
from transactional_api.core import errors
from transactional_api.core.access_changes import open_access_changes
from transactional_api.core.allowed_methods import Methods
from transactional_api.core.app_context import open_app_context
from transactional_api.core.db.statements import open_psycopg_pool
from transactional_api.core.http import cors, description, fast_path, health
from transactional_api.core.http.conditional_requests import ConditionalReads
from transactional_api.core.http.middleware import RequestContext
from transactional_api.core.http.rate_limits import open_rate_limits
from transactional_api.core.inference.client import InferenceClient
from transactional_api.core.media.stores import MEDIA, open_media
from transactional_api.core.security import jwks, passwords
from transactional_api.governance.privacy.routes import router as privacy
from transactional_api.identity.oauth.login_routes import router as provider_logins
from transactional_api.identity.oauth.routes import router as oauth
from transactional_api.identity.relationships.routes import router as ties
from transactional_api.identity.users.account_routes import router as accounts
from transactional_api.identity.users.accounts import UserServices
from transactional_api.identity.users.lookup_routes import router as user_lookups
from transactional_api.identity.users.routes import router as users
from transactional_api.identity.users.throttle import Throttle
from transactional_api.identity.users.web_session_routes import router as web_sessions
from transactional_api.intelligence.experiments.routes import router as experiments
from transactional_api.intelligence.interactions.feedback_routes import router as feed_feedback
from transactional_api.intelligence.interactions.routes import router as interactions
from transactional_api.intelligence.matching.routes import router as matching
from transactional_api.intelligence.model_changes.routes import router as model_changes
from transactional_api.intelligence.recommendations.decision_routes import audited_router as feed_replays
from transactional_api.intelligence.recommendations.decision_routes import router as feed_decisions
from transactional_api.intelligence.recommendations.preference_routes import preview_router as feed_previews
from transactional_api.intelligence.recommendations.preference_routes import router as feed_preferences
from transactional_api.intelligence.recommendations.ranking import RankingClients
from transactional_api.intelligence.recommendations.routes import router as recommendations
from transactional_api.intelligence.text_analysis.routes import router as analysis
from transactional_api.intelligence.vision.routes import images, video_processing, videos

API_PREFIX = "/api/v1"
DOCS_STATIC = "/docs-static"
# Routers with fixed paths come first; their paths would otherwise match the id parameters of later routers.
ROUTERS = (
    avatars,
    ties,
    accounts,
    web_sessions,
    provider_logins,
    user_lookups,
    users,
    connector_members,
    connectors,
    live_status,
    post_lists,
    posts,
    events,
    marketplace,
    reviews,
    chat,
    chat_settings,
    interactions,
    unsubscribes,
    notifications,
    recommendations,
    feed_feedback,
    feed_preferences,
    feed_previews,
    feed_decisions,
    feed_replays,
    search,
    moderation,
    privacy,
    webhooks,
    oauth,
    experiments,
    model_changes,
    analysis,
    matching,
    media,
    stories,
    reels,
    images,
    video_processing,
    videos,
)


@asynccontextmanager
async def _connections(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        context = await stack.enter_async_context(open_app_context(settings))
        redis = context.redis
        inference = InferenceClient(settings)
        stack.push_async_callback(inference.aclose)
        app.state.context, app.state.engine, app.state.redis = context, context.engine, redis
        app.state.psycopg_pool = await stack.enter_async_context(open_psycopg_pool(settings.database_url))
        app.state.read_only_engine = context.engine.execution_options(postgresql_readonly=True)
        app.state.accounts = UserServices(
            settings, redis, asyncio.Semaphore(passwords.AT_ONCE), context.cipher, Throttle(settings, redis)
        )
        app.state.inference = inference
        app.state.rate_limits = open_rate_limits(settings, redis)
        app.state.query_embedder = QueryEmbedder(inference)
        app.state.recommender = RankingClients(inference, redis)
        app.state.media = app.state.psycopg_pool.info[MEDIA] = open_media(context)
        app.state.hub = await stack.enter_async_context(open_hub(settings.redis_url, app.state.psycopg_pool))
        app.state.access_changes = await stack.enter_async_context(open_access_changes(settings))
        app.state.notification_signals = await stack.enter_async_context(open_notification_signals(settings))
        yield


def assemble() -> FastAPI:
    """Put the routes together, with their errors and their description, over no stores."""
    # Its documentation pages bring their scripts along instead of fetching them from a CDN.
    app = FastAPIOffline(**description.METADATA, static_url=DOCS_STATIC, lifespan=_connections)
    errors.install(app, Methods(ROUTERS, prefix=API_PREFIX))
    app.include_router(health.router)
    app.include_router(jwks.router)
    for router in ROUTERS:
        app.include_router(router, prefix=API_PREFIX)
    app.include_router(socket.router)
    fast_path.install(app, ROUTERS, prefix=API_PREFIX)
    description.install(app)
    return app


def create_app(settings: Settings) -> FastAPI:
    """Build the API over the stores that ``settings`` name; its lifespan opens and closes the connections."""
    app = assemble()
    app.state.settings = settings
    console.install(app)
    web_app.install(app)
    app.add_middleware(ConditionalReads)
    app.add_middleware(RequestContext)
    cors.install(app, settings.cors_allow_origins)
    return app


def create_worker() -> FastAPI:
    """Build the API of one worker process from its environment, with the process's logging and garbage collector."""
    settings = get_settings()
    configure_logging("api", level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format)
    configure_tracing("api", settings, libraries=Library)
    app = create_app(settings)
    tune_gc()
    _stop_with_supervisor()
    return app


def _stop_with_supervisor() -> None:
    """Stop this process when the one that started it was killed, which would otherwise leave it on the address."""
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        return

    def wait() -> None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="supervisor", daemon=True).start()
