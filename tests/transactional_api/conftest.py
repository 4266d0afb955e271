"""The API in process over real PostgreSQL and Valkey; every file of tests begins without anyone's data."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
import structlog
from asgi_lifespan import LifespanManager
from sqlalchemy import event

from neighborconnect.circuit_breaker import CircuitBreaker
from neighborconnect.settings import Settings
from tests.empty_database import no_data_of_other_files as no_data_of_other_files  # noqa: PLC0414 (a fixture)
from tests.transactional_api.fake_recommendation_service import Ranker, running_ranker
from tests.transactional_api.fake_vision_service import Vision, seeing
from tests.transactional_api.people import Person, Town
from transactional_api.app import create_app
from transactional_api.core.db.session import CONNECT_ARGUMENTS
from transactional_api.core.inference.client import InferenceClient
from transactional_api.intelligence.recommendations.ranking import RankingClients

Statements = Callable[[], AbstractContextManager[list[str]]]


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Log lines as the processes write them; structlog's own default spends seconds on colouring one traceback."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.__stderr__),
    )


@pytest.fixture(scope="session", autouse=True)
def generic_plans() -> None:
    """Prepare every statement at its first use and plan it without its values.

    PostgreSQL may switch to such a plan after five uses of a prepared statement, so that a statement which only works
    with the values in view would fail in production alone.
    """
    CONNECT_ARGUMENTS["options"] += " -c plan_cache_mode=force_generic_plan"
    CONNECT_ARGUMENTS["prepare_threshold"] = 0


@pytest.fixture(scope="session")
async def town(generic_plans: None, settings: Settings) -> AsyncIterator[Town]:
    """A running API. Nothing answers at its recommendation service, and it has no other."""
    nowhere = dict.fromkeys(("content_url", "matching_url", "image_url", "video_url"))
    # Every test comes from one network, which would otherwise use up what a network may do.
    unbounded = dict.fromkeys(
        ("rate_limit_failures", "rate_limit_registrations", "rate_limit_letters"), "1000000/minute"
    )
    changed = {"recommendation_url": "http://127.0.0.1:9", **nowhere, **unbounded}
    app = create_app(settings.model_copy(update=changed))
    async with LifespanManager(app) as running:
        transport = httpx.ASGITransport(running.app, client=("192.0.2.1", 40_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
            yield Town(app, http)
        assert app.state.engine.pool.checkedout() == 0, "a request kept its connection"


@pytest.fixture
async def ada(town: Town) -> Person:
    """A neighbour."""
    return await town.create_user(first_name="Ada")


@pytest.fixture
async def ben(town: Town) -> Person:
    """Another neighbour."""
    return await town.create_user(first_name="Ben")


@pytest.fixture
async def mod(town: Town) -> Person:
    """A moderator of the platform."""
    return await town.create_user(role="moderator")


@pytest.fixture
async def garden(ada: Person, ben: Person) -> dict[str, Any]:
    """A connector of Ada's that Ben is in."""
    made = await ada.make_connector()
    await ben.post(f"/connectors/{made['id']}/join")
    return made


@pytest.fixture(scope="session")
async def running(settings: Settings) -> AsyncIterator[Ranker]:
    """A recommendation service for the session."""
    async with running_ranker() as ranker:
        yield ranker


@pytest.fixture
async def ranker(town: Town, running: Ranker, settings: Settings) -> AsyncIterator[Ranker]:
    """The API's recommendation service, which for this test answers what the test says."""
    app_recommender: RankingClients = town.app.state.recommender
    patient = settings.model_copy(update={"recommendation_url": running.url, "recommendation_deadline_ms": 2_000})
    client = InferenceClient(patient, breaker=CircuitBreaker(failures=3, open_seconds=60))
    town.app.state.recommender = RankingClients(client, app_recommender.redis)
    running.rank()
    running.asked.clear()
    yield running
    town.app.state.recommender = app_recommender
    await client.aclose()


@pytest.fixture
def statements(town: Town) -> Statements:
    """A context that collects the SQL statements which the API sends in it."""

    @contextmanager
    def collect() -> Iterator[list[str]]:
        sent: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            sent.append(statement)

        engine = town.app.state.engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        town.app.state.psycopg_pool.on_statement = lambda sql, _parameters: sent.append(sql)
        try:
            yield sent
        finally:
            town.app.state.psycopg_pool.on_statement = None
            event.remove(engine, "before_cursor_execute", note)

    return collect


@pytest.fixture
async def vision(town: Town) -> AsyncIterator[Vision]:
    """A service that analyzes pictures and videos."""
    async with seeing(town) as found:
        yield found
