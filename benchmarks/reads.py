"""``python -m benchmarks reads``: the hot reads, next to a bare Starlette route that runs the same statements.

The peer runs every statement that the API sends for the request, the one that finds the person included, and nothing
else. Both are one process on the same machine; rounds alternate. Of a search whose words change with each request, the
peer goes on to run the statements of one.
"""

from __future__ import annotations

import asyncio
import itertools
import pickle
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import numpy as np
from sqlalchemy import event

from benchmarks.accounts import Account, free_port, own_api, registered_accounts
from benchmarks.bare import Statements
from benchmarks.report import Row
from benchmarks.scratch import process, settings_environment, wait_until
from neighborconnect.settings import Settings
from transactional_api.app import create_app

CALLERS = 8
SECONDS = 2.0
ROUNDS = 3
_WARM_UP_SECONDS = 1.0
_POSTS = 60
_MESSAGES = 60
_NUMBER = "{number}"
"""Placeholder in a path for a number that differs in each request."""
_numbers = itertools.count()


class Load(NamedTuple):
    """Result of a round."""

    rate: float
    p99: float


def run(settings: Settings) -> list[Row]:
    """Measure a post, a connector's feed, a page of a conversation, and a search."""
    with own_api(settings) as ours:
        return asyncio.run(_measure(ours))


async def _measure(settings: Settings) -> list[Row]:
    async with registered_accounts(settings, number=2) as (reader, other):
        paths = await _furnish(reader, other)
        statements = {
            urlsplit(path).path: await _statements(settings, path=path.replace(_NUMBER, "0"), token=reader.token)
            for path in paths.values()
        }
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "statements"
            await asyncio.to_thread(file.write_bytes, pickle.dumps(statements))
            port = free_port()
            with process("benchmarks.bare", str(port), str(file), environment=settings_environment(settings)):
                peer = f"http://127.0.0.1:{port}"
                await asyncio.to_thread(wait_until, lambda: _answers(peer, next(iter(statements))))
                rows = []
                for name, path in paths.items():
                    rows += await _compare(name, path, ours=settings.api_url, peer=peer, token=reader.token)
        return rows


async def _furnish(reader: Account, other: Account) -> dict[str, str]:
    """Create what is read in a private connector, and return the paths by name."""
    connector = await reader.ask("POST", "/connectors", {"name": "Bench", "category": "test", "is_public": False})
    for number in range(_POSTS):
        words = f"Seedlings of bed {number}. " * 8
        post = await reader.ask("POST", "/posts", {"connector_id": connector["id"], "content": words})
    talk = await reader.ask("POST", "/chat/conversations", {"kind": "direct", "user_id": other.id})
    for number in range(_MESSAGES):
        speaker = (reader, other)[number % 2]
        path = f"/chat/conversations/{talk['id']}/messages"
        await speaker.ask("POST", path, {"content": f"Are the seedlings of bed {number} ready?"})
    return {
        "a post": f"/api/v1/posts/{post['id']}",
        "a connector's feed": f"/api/v1/posts/connector/{connector['id']}",
        "a page of a conversation": f"/api/v1/chat/conversations/{talk['id']}/messages",
        "a search, asked again": "/api/v1/search?q=seedlings+or+bed0",
        "a search, new words": f"/api/v1/search?q=seedlings+or+bed{_NUMBER}",
    }


async def _statements(settings: Settings, *, path: str, token: str) -> Statements:
    """Return the statements that the API sends for one request, with their parameters."""
    sent: list[tuple[str, Any]] = []
    in_transaction = False

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        nonlocal in_transaction
        in_transaction = True
        sent.append((statement, parameters))

    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://bench") as http,
    ):
        event.listen(app.state.engine.sync_engine, "before_cursor_execute", note)
        app.state.psycopg_pool.on_statement = lambda sql, parameters: sent.append((sql, parameters))
        (await http.get(path, headers={"Authorization": f"Bearer {token}"})).raise_for_status()
    return Statements(sent, in_transaction)


async def _compare(name: str, path: str, *, ours: str, peer: str, token: str) -> list[Row]:
    for url in (ours, peer):
        await load(url + path, token=token, seconds=_WARM_UP_SECONDS)
    loads: dict[str, list[Load]] = {ours: [], peer: []}
    for _ in range(ROUNDS):
        for url, seen in loads.items():
            seen.append(await load(url + path, token=token, seconds=SECONDS))
    rates = {url: float(np.median([load.rate for load in seen])) for url, seen in loads.items()}
    tails = {url: float(np.median([load.p99 for load in seen])) * 1_000 for url, seen in loads.items()}
    note = f"{CALLERS} callers, median of {ROUNDS} rounds of {SECONDS:.0f} s; peer: Starlette, same statements"
    return [
        Row.compare(f"{name}, rate", ours=rates[ours], peer=rates[peer], unit="requests/s", note=note),
        Row.compare(f"{name}, p99", ours=tails[ours], peer=tails[peer], unit="ms", note="smaller is better"),
    ]


async def load(url: str, *, token: str, seconds: float) -> Load:
    """Request ``url`` repeatedly on ``CALLERS`` connections, with a client that needs little of the CPU."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    request = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\nAccept: */*\r\n\r\n"
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def call() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while (began := time.perf_counter()) < end:
            writer.write(request.replace(_NUMBER, str(next(_numbers))).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head[:20]:
                raise RuntimeError(f"{url}: {head[:200]!r}")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            taken.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(call() for _ in range(CALLERS)))
    return Load(rate=len(taken) / seconds, p99=float(np.percentile(taken, 99)))


def _answers(url: str, path: str) -> bool:
    try:
        return httpx.get(url + path, trust_env=False).is_success
    except httpx.HTTPError:
        return False
