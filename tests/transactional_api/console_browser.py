"""The console's browser in tests."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

import httpx

from tests.transactional_api.people import Person, Town
from transactional_api.console.sessions import SESSION_COOKIE

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
FIELD = re.compile(r'name="csrf_token" value="([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True)
class Browser:
    """The browser of one person at the console; redirects are not followed."""

    http: httpx.AsyncClient
    cookies: dict[str, str]

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(f"/console{path}", params=params or None, headers=self._headers())

    async def send(self, path: str, *, csrf: str = "", headers: dict[str, str] | None = None, **form: str) -> Any:
        data = form | {"csrf_token": csrf}
        return await self.http.post(f"/console{path}", data=data, headers=self._headers() | (headers or {}))

    async def token(self, path: str = "/moderation/statistics") -> str:
        found = FIELD.search((await self.get(path)).text)
        assert found is not None
        return found[1]

    def _headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}


def browser(person: Person) -> Browser:
    return Browser(person.http, {SESSION_COOKIE: person.token} if person.token else {})


def text_of(answer: httpx.Response) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", answer.text))


async def actions_of(town: Town, person: Person) -> list[str]:
    rows = await town.rows("SELECT action FROM audit_log WHERE actor_id = :id ORDER BY id", id=person.id)
    return [row.action for row in rows]
