"""API calls of single people for measurements: log in, read feeds, log out. Reading a feed reports no interactions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx

from neighborconnect.contracts.events import ReportableKind
from neighborconnect.feed.reasons import ReasonCode
from simulator.bulk import TownError
from simulator.judged_home import HomePage
from simulator.judged_pages import Served
from simulator.rows import EMAIL_DOMAIN

MAX_CONCURRENT_PEOPLE: Final = 4
_PATHS: Final = {
    ReportableKind.POST: ("content", "post"),
    ReportableKind.CONNECTOR: ("connectors", "connector"),
    ReportableKind.EVENT: ("events", "event"),
    ReportableKind.ITEM: ("marketplace", "item"),
}
_PREFIX: Final = "/api/v1"
_TIMEOUT: Final = 60.0
_ATTEMPTS: Final = 5
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Login:
    """Session of a person."""

    user_id: str
    access_token: str
    refresh_token: str


class FeedClient:
    """Client of the API; use it as an asynchronous context manager."""

    def __init__(self, api_url: str) -> None:
        """Prepare calls to ``api_url``, without the prefix of its routes."""
        self._api_url = api_url
        self._client = httpx.AsyncClient(base_url=api_url, timeout=_TIMEOUT)

    async def __aenter__(self) -> Self:
        """Open the client."""
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._client.__aexit__(kind, error, trace)

    async def log_in(self, username: str, *, password: str) -> Login:
        """Log in as a person of the town.

        Raises:
            TownError: the API cannot be reached, or refuses the password.
        """
        body = {"email": f"{username}@{EMAIL_DOMAIN}", "password": password}
        return _login(await self._call("POST", "/users/login", body, name=f"log in {username}"))

    async def register(self, profile: dict[str, Any], *, platform_token: str) -> Login:
        """Register a person as the platform, which confirms the e-mail address."""
        headers = {"x-platform-token": platform_token}
        return _login(await self._call("POST", "/users/register", profile, name="register", headers=headers))

    async def log_out(self, login: Login) -> None:
        """End a session."""
        await self._call("POST", "/users/logout", {"refresh_token": login.refresh_token}, name="log out")

    async def like(self, login: Login, post_id: str) -> None:
        """Like a post."""
        await self._call("POST", f"/posts/{post_id}/like", None, name="like", login=login)

    async def first_pages(self, login: Login, kind: ReportableKind, *, pages: int, limit: int) -> tuple[Served, str]:
        """Return the items of the first pages, and the path of the first response with its reason code."""
        path, field = _PATHS[kind]
        items: list[dict[str, Any]] = []
        source = ""
        for _ in range(pages):
            body = {"limit": limit, "exclude": [item[field]["id"] for item in items]}
            feed = await self._call("POST", f"/recommendations/{path}", body, name=f"{field} feed", login=login)
            source = source or "/".join(filter(None, (feed["path"], feed["reason_code"])))
            items += feed["items"]
            if len(feed["items"]) < limit:
                break
        served = Served(
            tuple(item[field]["id"] for item in items),
            tuple(item["reason"] for item in items),
            tuple(item["score"] for item in items),
            tuple(item["reasons"][0]["code"] == ReasonCode.SHOWN_BEFORE for item in items),
        )
        return served, source

    async def home_page(self, login: Login, *, limit: int) -> HomePage:
        """Return the first page of the home feed."""
        feed = await self._call("POST", "/recommendations/home", {"limit": limit}, name="home feed", login=login)
        parts = {part["kind"]: "/".join(filter(None, (part["path"], part["reason_code"]))) for part in feed["parts"]}
        items = tuple((item["kind"], item[item["kind"]]["id"]) for item in feed["items"])
        return HomePage(items, tuple(item["reason"] for item in feed["items"]), parts)

    async def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        *,
        name: str,
        login: Login | None = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {login.access_token}"} if login else headers or {}
        for _ in range(_ATTEMPTS):
            try:
                response = await self._client.request(method, _PREFIX + path, json=body, headers=headers)
            except httpx.TransportError as error:
                raise TownError(
                    f"The API at {self._api_url} cannot be reached ({error!r}). Check it with `make status`."
                ) from error
            if response.status_code != _TOO_MANY:
                break
            await asyncio.sleep(float(response.headers.get("retry-after", 1)))
        if response.is_error:
            raise TownError(f"The API refused to {name}: {response.status_code} {response.text[:300]}")
        content: dict[str, Any] = response.json() if response.content else {}
        return content


def _login(session: dict[str, Any]) -> Login:
    return Login(session["user"]["id"], session["access_token"], session["refresh_token"])
