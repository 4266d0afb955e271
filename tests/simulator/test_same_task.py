"""Offline evaluation and the served feed make the same page: one town, in memory for one, behind the API for the other.

The API is the real one over a database with the town; its recommendation service is the predictor of the bento. Both
sides have the same candidates (public posts), acts, re-ranking and clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import psycopg
import pytest
from argon2 import PasswordHasher
from asgi_lifespan import LifespanManager
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.recommendation.pages import page_order
from neighborconnect.contracts.serving import RankRequest
from neighborconnect.feed.policy import ranking_policy
from neighborconnect.service_auth import RequireCredentials
from neighborconnect.settings import Settings
from simulator.bulk import load
from simulator.columns import draw_ids
from simulator.rows import EMAIL_DOMAIN, town_rows, usernames
from tests.models.first_pages import people_of
from tests.models.simulated import Simulated, simulate
from tests.transactional_api.local_server import serving
from transactional_api.app import create_app

PASSWORD = "good-neighbours"
PAGE, JUDGED, PEOPLE = 20, 10, 6
# Nothing is newer than the item index, as a minute after it was refreshed.
END = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture(scope="module")
def world() -> Simulated:
    return simulate(users=150, days=14, seed=5, end=END)


@dataclass(frozen=True)
class Served:
    """The API over the town, and its people whom nothing but the feed concerns."""

    http: httpx.AsyncClient
    stated: dict[str, tuple[str, ...]]
    people: Sequence[int]

    async def page(self, world: Simulated, person: int) -> list[str]:
        """Return the first page that the API serves to a person."""
        body = {"email": f"{usernames(world.town)[person]}@{EMAIL_DOMAIN}", "password": PASSWORD}
        session = (await self.http.post("/api/v1/users/login", json=body)).raise_for_status().json()
        answer = await self.http.post(
            "/api/v1/recommendations/content",
            json={"limit": PAGE},
            headers={"authorization": f"Bearer {session['access_token']}"},
        )
        feed = answer.raise_for_status().json()
        assert (feed["path"], feed["reason_code"]) == ("collaborative", None)
        return [item["post"]["id"] for item in feed["items"]]


def offline_page(world: Simulated, person: int, *, stated: tuple[str, ...], at: datetime) -> list[str]:
    """Return the page of offline evaluation: scores, masks of the lake's acts, and the order of ``evaluate``."""
    user_id, index = world.user_ids[person], world.predictor.index
    scores = world.predictor.scores(replace(world.profile(user_id), stated_interests=stated)).copy()
    mask = world.masks[user_id]
    scores[[row for row, post in enumerate(index.item_ids) if mask.reason(post) is not None]] = -np.inf
    order = page_order(index.attributes, policy=ranking_policy(), at=at)
    return [index.item_ids[row] for row in order(scores, PAGE)]


@pytest.fixture
async def served(
    settings: Settings, connection: psycopg.Connection, town_url: str, world: Simulated
) -> AsyncIterator[Served]:
    password_hash = PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)
    load(connection, town_rows(world.town, draw_ids(world.town), password_hash=password_hash), add=False)
    # The item index has public posts of the town; the spam of bad neighbors is not among them.
    connection.execute("UPDATE connectors SET is_public = true")
    connection.execute("UPDATE posts SET is_active = (id = ANY(%s::uuid[]))", [world.items["item_id"].to_list()])
    # Offline evaluation knows no memberships: the share of other connectors holds on any page of people without them.
    connection.execute("DELETE FROM connector_members")
    # It knows neither homes nor follows, which multiply the relevance when a page is served.
    connection.execute("DELETE FROM follows")
    connection.execute("UPDATE users SET home_cell = NULL")
    connection.execute("DELETE FROM mutes")
    connection.execute("DELETE FROM blocks")
    stated = dict(connection.execute("SELECT id::text, interests FROM users").fetchall())
    # Offline evaluation knows no hides.
    hiding = {user_id for (user_id,) in connection.execute("SELECT user_id::text FROM hidden_items")}

    async def rank(request: Request) -> Response:
        asked = RankRequest.model_validate((await request.json())["request"])
        user = replace(world.profile(asked.user_id), stated_interests=tuple(asked.interests))
        answer = world.predictor.rank(asked, user=user, at=datetime.now(UTC))
        return Response(answer.model_dump_json(), media_type="application/json")

    service = Starlette(routes=[Route("/rank", rank, methods=["POST"])])
    async with serving(RequireCredentials(service, tokens=[settings.platform_token])) as url:
        changed = {"database_url": town_url, "recommendation_url": url, "recommendation_deadline_ms": 10_000}
        async with LifespanManager(create_app(settings.model_copy(update=changed))) as running:
            transport = httpx.ASGITransport(running.app, client=("192.0.2.1", 40_000))
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test", timeout=60) as http:
                yield Served(
                    http,
                    {user_id: tuple(interests or ()) for user_id, interests in stated.items()},
                    [one for one in people_of(world, count=150) if world.user_ids[one] not in hiding][:PEOPLE],
                )


async def test_offline_page_is_the_page_that_the_api_serves(world: Simulated, served: Served) -> None:
    assert len(served.people) == PEOPLE
    for person in served.people:
        page = await served.page(world, person)
        stated = served.stated[world.user_ids[person]]
        expected = offline_page(world, person, stated=stated, at=datetime.now(UTC))
        # Metrics are at ten. Below, the caps of the model's longer answer may exchange an item.
        assert page[:JUDGED] == expected[:JUDGED]
        assert len({*page} & {*expected}) >= 0.9 * PAGE
