"""``python -m benchmarks reads``: its peer runs the statements that the API sends."""

from __future__ import annotations

from typing import Any

import httpx
from asgi_lifespan import LifespanManager

from benchmarks.bare import make_app
from benchmarks.reads import _statements
from neighborconnect.settings import Settings
from tests.transactional_api.people import API, Person


async def test_peer_of_the_reads_returns_what_the_api_reads(
    settings: Settings, ada: Person, garden: dict[str, Any]
) -> None:
    post = await ada.make_post(garden, content="The seedlings are ready")
    paths = [f"{API}/posts/{post['id']}", f"{API}/posts/connector/{garden['id']}/pinned"]
    await ada.request("PUT", f"/posts/{post['id']}/pin")
    statements = {path: await _statements(settings, path=path, token=ada.token) for path in paths}
    # The first is a compiled read over psycopg, the second goes through a session of SQLAlchemy.
    assert [one.in_transaction for one in statements.values()] == [False, True]
    async with (
        LifespanManager(make_app(settings.database_url, statements)) as peer,
        httpx.AsyncClient(transport=httpx.ASGITransport(peer.app), base_url="http://peer") as http,
    ):
        for path in paths:
            rows = (await http.get(path)).raise_for_status().json()
            assert [row["content"] for row in rows if "content" in row] == [post["content"]]
