"""Accounts of a benchmark, registered through the API and erased afterwards."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from benchmarks.scratch import process, settings_environment
from neighborconnect.settings import Settings

PASSWORD = "a long pass phrase of a benchmark"  # noqa: S105 (of accounts that are erased after a minute)
NO_LIMIT = "1000000/minute"
_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Account:
    """A registered user with the client that sends their requests."""

    id: str
    token: str
    http: httpx.AsyncClient

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the body of the response; raises ``httpx.HTTPStatusError`` for an error."""
        answer = await self.http.request(
            method, f"/api/v1{path}", json=body, headers={"Authorization": f"Bearer {self.token}"}
        )
        return answer.raise_for_status().json() if answer.content else None


def free_port() -> int:
    """Return a port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def own_api(settings: Settings) -> Iterator[Settings]:
    """Run a separate API process over the platform's stores, without rate limits; yield its settings."""
    address = f"127.0.0.1:{free_port()}"
    mine = settings.model_copy(
        update={
            "api_url": f"http://{address}",
            "api_listen": address,
            "rate_limit_reads": NO_LIMIT,
            "rate_limit_writes": NO_LIMIT,
        }
    )
    quiet = {"NEIGHBORCONNECT_LOG_LEVEL": "WARNING"}
    with process("transactional_api", environment=settings_environment(mine) | quiet):
        asyncio.run(_ready(mine.api_url))
        yield mine


async def _ready(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http, asyncio.timeout(_START_SECONDS):
        while True:
            try:
                (await http.get("/readyz")).raise_for_status()
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
            else:
                return


@asynccontextmanager
async def registered_accounts(settings: Settings, *, number: int) -> AsyncIterator[list[Account]]:
    """Register accounts, and erase them at the end."""
    vouched = {"x-platform-token": settings.platform_token.get_secret_value()}
    async with httpx.AsyncClient(base_url=settings.api_url, timeout=60, trust_env=False) as http:
        people = [await _register(http, headers=vouched) for _ in range(number)]
        try:
            yield people
        finally:
            for person in people:
                await person.ask("POST", "/privacy/erasures", {"password": PASSWORD, "keep_words": False})


async def _register(http: httpx.AsyncClient, *, headers: dict[str, str]) -> Account:
    name = f"bench{uuid4().hex[:20]}"
    body = {
        "email": f"{name}@example.org",
        "username": name,
        "password": PASSWORD,
        "first_name": "Bench",
        "last_name": "Mark",
    }
    session = (await http.post("/api/v1/users/register", json=body, headers=headers)).raise_for_status().json()
    return Account(session["user"]["id"], session["access_token"], http)
