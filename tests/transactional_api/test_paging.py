"""Paging: every item once, in order, while others are added."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from tests.transactional_api.people import Person, Town
from transactional_api.core.db.tables import Post
from transactional_api.core.errors import InvalidCursorError
from transactional_api.core.pagination import Cursor

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


async def read_all(person: Person, path: str, *, limit: int) -> list[list[dict[str, Any]]]:
    pages, cursor = [], None
    while True:
        params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = (await person.get(path, **params)).json()
        pages.append(answer["items"])
        cursor = answer["next_cursor"]
        if cursor is None:
            return pages


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seconds=st.lists(st.integers(0, 3), min_size=1, max_size=12), limit=st.integers(1, 5))
async def test_pages_neither_repeat_nor_skip_at_equal_times(town: Town, seconds: list[int], limit: int) -> None:
    ada = await town.create_user()
    connector = await ada.make_connector()
    rows = [
        {
            "id": uuid4(),
            "connector_id": UUID(connector["id"]),
            "author_id": ada.id,
            "content": "x",
            "created_at": BEGAN + timedelta(seconds=second),
        }
        for second in seconds
    ]
    async with town.app.state.engine.begin() as connection:
        await connection.execute(insert(Post), rows)
    pages = await read_all(ada, f"/posts/connector/{connector['id']}", limit=limit)
    newest_first = sorted(rows, key=lambda row: (row["created_at"], row["id"]), reverse=True)
    assert [item["id"] for page in pages for item in page] == [str(row["id"]) for row in newest_first]
    assert all(len(page) == limit for page in pages[:-1])


async def test_what_is_added_while_somebody_pages_moves_nothing(ada: Person) -> None:
    connector = await ada.make_connector()
    posts = [await ada.make_post(connector) for _ in range(4)]
    path = f"/posts/connector/{connector['id']}"
    first = (await ada.get(path, limit=2)).json()
    await ada.make_post(connector)
    second = (await ada.get(path, limit=2, cursor=first["next_cursor"])).json()
    shown = [item["id"] for item in first["items"] + second["items"]]
    assert shown == [post["id"] for post in reversed(posts)]


async def test_members_page_in_the_order_in_which_they_joined(town: Town, ada: Person) -> None:
    connector = await ada.make_connector()
    people = [ada] + [await town.create_user() for _ in range(4)]
    for person in people[1:]:
        await person.post(f"/connectors/{connector['id']}/join")
    pages = await read_all(ada, f"/connectors/{connector['id']}/members", limit=2)
    assert [item["user_id"] for page in pages for item in page] == [str(person.id) for person in people]


@given(at=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)), row_id=st.uuids())  # noqa: DTZ001
def test_a_cursor_reads_back_as_it_was_written(at: datetime, row_id: UUID) -> None:
    assert Cursor.decode(Cursor(at=at, id=row_id).encode()) == Cursor(at=at, id=row_id)


@given(st.binary(max_size=40).map(lambda data: base64.urlsafe_b64encode(data).decode()) | st.text(max_size=64))
def test_anything_else_is_not_a_cursor(words: str) -> None:
    with pytest.raises(InvalidCursorError):
        Cursor.decode(words)


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "\x00", "=" * 40])
async def test_a_bad_cursor_is_refused_by_every_list(ada: Person, cursor: str) -> None:
    connector = await ada.make_connector()
    post = await ada.make_post(connector)
    for path in (
        "/connectors",
        "/connectors/search?q=x",
        "/users/search",
        f"/posts/connector/{connector['id']}",
        f"/posts/{post['id']}/comments",
        f"/connectors/{connector['id']}/members",
    ):
        assert (await ada.request("GET", path, params={"cursor": cursor, "q": "x"})).status_code == 422


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "9" * 400])
async def test_a_limit_is_between_one_and_a_hundred(ada: Person, limit: str) -> None:
    assert (await ada.get("/connectors", limit=limit)).status_code == 422
