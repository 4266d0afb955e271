"""``python -m benchmarks chat``: a thousand open sockets on one API process, and messages between them."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from contextlib import AsyncExitStack, suppress
from itertools import combinations, cycle, islice
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.accounts import Account, own_api, registered_accounts
from benchmarks.report import Row
from neighborconnect.settings import Settings

SOCKETS = 1_000
PEOPLE = 33
MESSAGES_A_SECOND = 200
SECONDS = 15.0
MIB = 1024 * 1024
OPENED_AT_ONCE = 20
_LAST_ONES_SECONDS = 10.0


def run(settings: Settings) -> list[Row]:
    """Measure the memory of open sockets, and the time from sending a message to its delivery."""
    with own_api(settings) as ours:
        return asyncio.run(_measure(ours))


async def _measure(settings: Settings) -> list[Row]:
    gc.disable()  # The client's own pauses are not what is measured.
    process = _serving(urlsplit(settings.api_url).port)
    async with registered_accounts(settings, number=PEOPLE) as people, AsyncExitStack() as stack:
        before = process.memory_info().rss / MIB
        lines = await _open(stack, people, url=settings.api_url.replace("http", "ws", 1))
        opened = process.memory_info().rss / MIB
        taken = await _talk(lines)
        talked = process.memory_info().rss / MIB
    p50, p99 = (float(np.percentile(taken, rank)) * 1_000 for rank in (50, 99))
    wanted = int(MESSAGES_A_SECOND * SECONDS)
    note = f"{len(taken)} of {wanted} heard, {MESSAGES_A_SECOND} a second; the client is on the same machine"
    return [
        Row.compare(
            "memory with 1,000 sockets", ours=max(opened, talked), peer=300, unit="MiB", note="peer: the bound"
        ),
        Row("memory of one socket", (opened - before) * 1_024 / SOCKETS, unit="KiB"),
        Row("message to receiver, p50", p50, unit="ms", note=note),
        Row.compare("message to receiver, p99", ours=p99, peer=50, unit="ms", note="peer: the bound"),
    ]


async def _open(stack: AsyncExitStack, people: list[Account], *, url: str) -> list[tuple[ClientConnection, ...]]:
    """Open the sockets of both members of each conversation."""
    gate = asyncio.Semaphore(OPENED_AT_ONCE)

    async def line(pair: tuple[Account, Account]) -> tuple[ClientConnection, ...]:
        async with gate:
            one, other = pair
            talk = await one.ask("POST", "/chat/conversations", {"kind": "direct", "user_id": other.id})
            ends = []
            for person in pair:
                headers = {"Authorization": f"Bearer {person.token}"}
                socket = await connect(
                    f"{url}/ws/chat/{talk['id']}", additional_headers=headers, compression=None, open_timeout=60
                )
                stack.push_async_callback(socket.close)
                while json.loads(await socket.recv())["type"] != "ready":
                    pass
                ends.append(socket)
            return tuple(ends)

    return await asyncio.gather(*(line(pair) for pair in islice(combinations(people, 2), SOCKETS // 2)))


async def _talk(lines: list[tuple[ClientConnection, ...]]) -> list[float]:
    """Send from one end of each conversation in turn at a constant rate; return the seconds until delivery."""
    sent: dict[str, float] = {}
    taken: list[float] = []
    total = int(MESSAGES_A_SECOND * SECONDS)
    everything = asyncio.Event()

    async def hear(socket: ClientConnection) -> None:
        async for words in socket:
            frame: dict[str, Any] = json.loads(words)
            if frame["type"] == "event" and frame["message"]:
                taken.append(time.perf_counter() - sent[frame["message"]["content"]])
                if len(taken) == total:
                    everything.set()

    async def ignore(socket: ClientConnection) -> None:
        async for _ in socket:
            pass

    listening = [asyncio.create_task(hear(other)) for _, other in lines]
    listening += [asyncio.create_task(ignore(one)) for one, _ in lines]
    began = time.perf_counter()
    for number, (speaker, _) in zip(range(total), cycle(lines), strict=False):
        await asyncio.sleep(max(0.0, began + number / MESSAGES_A_SECOND - time.perf_counter()))
        words = f"message-{number}"
        sent[words] = time.perf_counter()
        await speaker.send(json.dumps({"type": "message", "content": words, "client_id": words}))
    with suppress(TimeoutError):  # Messages that did not arrive are counted in the note.
        await asyncio.wait_for(everything.wait(), _LAST_ONES_SECONDS)
    for task in listening:
        task.cancel()
    return taken


def _serving(port: int | None) -> psutil.Process:
    for child in psutil.Process().children(recursive=True):
        if any(one.laddr.port == port for one in child.net_connections(kind="tcp") if one.status == "LISTEN"):
            return child
    raise RuntimeError("The API process is not to be found")
