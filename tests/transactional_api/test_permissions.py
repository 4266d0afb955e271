"""The permission matrix: a row per route, tried by nobody, a stranger, a member, a blocked one and the owner."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from tests.transactional_api.people import API, Town, feed_id
from tests.transactional_api.permissions import (
    chat,
    connectors,
    events,
    experiments,
    feeds,
    marketplace,
    media,
    models,
    moderation,
    moments,
    notifications,
    oauth,
    posts,
    privacy,
    reviews,
    search,
    ties,
    users,
    vision,
)
from tests.transactional_api.permissions.feeds import interaction
from tests.transactional_api.permissions.rows import BLOCKED, MEMBER, NOBODY, OWNER, STRANGER, Private, Row
from transactional_api.app import ROUTERS

SLICES = (
    users,
    connectors,
    posts,
    feeds,
    notifications,
    ties,
    events,
    experiments,
    models,
    marketplace,
    reviews,
    search,
    chat,
    media,
    moderation,
    moments,
    oauth,
    privacy,
    vision,
)
MATRIX = [(part, row) for part in SLICES for row in part.ROWS]


async def make_private(town: Town) -> Private:
    owner, member, stranger, blocked = [await town.create_user() for _ in range(4)]
    connector = await owner.make_connector(is_public=False)
    await town.add_member(member, connector)
    await town.add_member(blocked, connector)
    await town.block(owner, blocked)
    await town.add_member(await town.create_user(), connector)  # Somebody stays, whoever leaves.
    post = await owner.make_post(connector)
    people = {NOBODY: town.nobody, STRANGER: stranger, MEMBER: member, OWNER: owner, BLOCKED: blocked}
    return Private(people, connector, post)


@pytest.fixture
async def private(town: Town) -> Private:
    return await make_private(town)


class DataOfRows:
    """The data that a row is tried with: its own, unless the row changes nothing."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._shared: dict[str, Private] = {}

    async def of(self, part: Any, row: Row) -> Private:
        if not row.shares_data:
            return await self._create(part)
        if part.__name__ not in self._shared:
            self._shared[part.__name__] = await self._create(part)
        return self._shared[part.__name__]

    async def _create(self, part: Any) -> Private:
        private = await make_private(self._town)
        if hasattr(part, "create_data"):
            await part.create_data(self._town, private)
        return private


@pytest.fixture(scope="module")
def data(town: Town) -> DataOfRows:
    return DataOfRows(town)


@pytest.mark.parametrize(("part", "row"), MATRIX, ids=[f"{row.method} {row.path}" for _, row in MATRIX])
async def test_each_kind_of_person_gets_what_the_matrix_says(data: DataOfRows, part: Any, row: Row) -> None:
    private = await data.of(part, row)
    things = {
        "connector_id": private.connector["id"],
        "post_id": private.post["id"],
        "user_id": private.people[OWNER].id,
    }
    path = row.path.format(**(things | private.things))
    got = {}
    # The owner comes last: what they take away, the others must have been asked about before.
    for who in (NOBODY, STRANGER, BLOCKED, MEMBER, OWNER):
        sent = {"files": row.files} if row.files else {"json": row.body(private)}
        answer = await private.people[who].request(row.method, path + row.query, **sent)
        got[who] = answer.status_code
    assert got == row.expected


def test_the_matrix_has_a_row_for_every_route() -> None:
    routes = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert {(row.method, row.path) for _, row in MATRIX} == routes


async def test_a_route_that_nobody_knows_is_not_found(town: Town) -> None:
    answer = await town.http.get(f"{API}/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_reporting_a_private_post_reveals_nothing_to_strangers(private: Private) -> None:
    body = interaction(private)
    body["interactions"][0]["request_id"] = feed_id(private.people[STRANGER])
    stranger = await private.people[STRANGER].post("/interactions", body)
    body["interactions"][0]["item_id"] = str(uuid4())
    nothing_there = await private.people[STRANGER].post("/interactions", body)
    assert (
        stranger.json()
        == nothing_there.json()
        == {"accepted_count": 0, "rejected": [{"index": 0, "code": "unknown_item", "field": "item_id"}]}
    )
