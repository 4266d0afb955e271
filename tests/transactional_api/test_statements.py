"""Lists cost the same number of statements however long they are."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.transactional_api.people import Person, Town


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/connectors"),
        ("GET", "/connectors/search?q=garden"),
        ("GET", "/connectors/{connector}/members"),
        ("GET", "/posts/connector/{connector}"),
        ("GET", "/posts/{post}/comments"),
        ("GET", "/users/search?q=ada"),
        ("GET", "/notifications"),
        ("GET", "/events"),
        ("GET", "/events/connector/{connector}"),
        ("GET", "/users/{ada}/followers"),
        ("POST", "/recommendations/content"),
        ("POST", "/recommendations/connectors"),
    ],
)
async def test_a_list_of_many_takes_as_many_statements_as_a_list_of_few(
    town: Town, ada: Person, statements: Any, method: str, path: str
) -> None:
    # A place of their own, so that no other test's list of what is popular there runs out meanwhile.
    viewer = await town.settle(neighborhood=uuid4().hex)
    connector = await ada.make_connector()
    post = await ada.make_post(connector)
    place = path.format(connector=connector["id"], post=post["id"], ada=ada.id)
    body = {"limit": 50} if method == "POST" else None

    async def count() -> int:
        with statements() as sent:
            assert (await viewer.ask(method, place, json=body)).status_code == 200
        return len(sent)

    await count()
    few = await count()
    for _ in range(5):
        await town.admit(await town.settle(), connector)
        await ada.make_post(await ada.make_connector())
        await ada.make_post(connector)
        await ada.post(f"/posts/{post['id']}/comments", {"content": "Here"})
    assert await count() <= few <= 8
