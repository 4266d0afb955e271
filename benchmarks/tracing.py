"""``python -m benchmarks tracing``: what traces cost a hot read and a write, next to an API that records none.

Three processes of the API serve the same requests, in alternating rounds: without traces, with the share of the
settings, and with every request recorded. Spans go to files, as those of an embedded platform do.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.accounts import own_api, registered_accounts
from benchmarks.reads import CALLERS, SECONDS, load
from benchmarks.report import Row
from neighborconnect.settings import Settings

ROUNDS: Final = 5
_WARM_UP_SECONDS: Final = 1.0


def run(settings: Settings) -> list[Row]:
    """Measure a post of the fast path, and a list that FastAPI serves."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        share = settings.otel_traces_sampler_arg
        variants = {
            "off": {"otel_traces_sampler": "always_off"},
            f"{share:.0%} of requests": {"otel_traces_sampler": "parentbased_traceidratio"},
            "every request": {"otel_traces_sampler": "parentbased_always_on"},
        }
        urls = {
            name: stack.enter_context(own_api(settings.model_copy(update={"traces_folder": folder, **values}))).api_url
            for name, values in variants.items()
        }
        return asyncio.run(_measure(settings, urls))


async def _measure(settings: Settings, urls: dict[str, str]) -> list[Row]:
    first = settings.model_copy(update={"api_url": next(iter(urls.values()))})
    async with registered_accounts(first, number=1) as [reader]:
        connector = await reader.ask("POST", "/connectors", {"name": "Bench", "category": "test", "is_public": False})
        post = await reader.ask("POST", "/posts", {"connector_id": connector["id"], "content": "Seedlings"})
        paths = {"a post": f"/api/v1/posts/{post['id']}", "own profile": "/api/v1/users/profile"}
        rows = []
        for what, path in paths.items():
            rates: dict[str, list[float]] = {name: [] for name in urls}
            for url in urls.values():
                await load(url + path, token=reader.token, seconds=_WARM_UP_SECONDS)
            for _ in range(ROUNDS):
                for name, url in urls.items():
                    rates[name].append((await load(url + path, token=reader.token, seconds=SECONDS)).rate)
            medians = {name: float(np.median(seen)) for name, seen in rates.items()}
            note = f"{CALLERS} callers, median of {ROUNDS} rounds of {SECONDS:.0f} s; peer: no traces"
            rows += [
                Row.compare(f"{what}, {name}", ours=rate, peer=medians["off"], unit="requests/s", note=note)
                for name, rate in medians.items()
                if name != "off"
            ]
        return rows
