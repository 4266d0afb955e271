"""``python -m benchmarks matching``: how long one person's matches take in a town of 100,000.

The first part needs nothing that runs; the raw limit next to it is the one step that cannot be left out: reading
everybody's vectors once. The second asks the routes of a running platform as people of its simulated town, 20 times a
second, however large the town is: ``neighborconnect simulate --users 100000`` makes a large one.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable
from functools import partial

import httpx
import numpy as np
import psycopg

from benchmarks import open_loop
from benchmarks.accounts import Account, own_api
from benchmarks.report import Row, percentiles
from models.matching.evaluate import CONNECTORS, USERS
from models.matching.pair_features import PairFeatures, with_vectors
from models.matching.predictor import Matcher
from models.matching.social_graph import SocialGraph, social_graph_of
from neighborconnect.contracts.matching import MAX_OFFERS, MAX_SEEKERS, MatchKind, MatchResponse
from neighborconnect.settings import Settings
from simulator.cli import DEMO_PASSWORD
from simulator.people import CITY
from simulator.rows import EMAIL_DOMAIN

INHABITANTS, CONNECTORS_THERE, INTERESTS, PLACES = 100_000, 2_000, 200, 500
TIES_EACH, MEMBERSHIPS_EACH, INTERESTS_EACH = 10, 4, 4
ASKED = 300
PAIRINGS = 20
LIMIT = 20
SEED = 20261
CALLERS = 20
_ROUTES = ("users", "communities", "interests", "proximity")


def run(settings: Settings) -> list[Row]:
    """Measure every kind of match in one process, then the routes of ``/matching``."""
    rows = _in_process()
    with own_api(settings) as mine:
        return rows + asyncio.run(_routes(mine))


async def _routes(settings: Settings) -> list[Row]:
    rows: list[Row] = []
    async with httpx.AsyncClient(base_url=settings.api_url, timeout=60, trust_env=False) as http:
        users = [await _logged_in(http, username) for username in await _usernames(settings)]
        if not users:
            raise RuntimeError("nobody of a simulated town is there: neighborconnect simulate makes one")
        for route in _ROUTES:
            calls = [(users[place % len(users)], {"limit": LIMIT}) for place in range(ASKED)]
            rows += await open_loop.ask(f"/matching/{route}", calls)
    return rows


async def _usernames(settings: Settings) -> list[str]:
    """Log in some accounts of the simulated town; all have its domain and password."""
    async with await psycopg.AsyncConnection.connect(settings.database_url) as connection:
        sample_negatives = await connection.execute(
            "SELECT username FROM users WHERE city = %s ORDER BY md5(id::text) LIMIT %s", [CITY, CALLERS]
        )
        return [username for (username,) in await sample_negatives.fetchall()]


async def _logged_in(http: httpx.AsyncClient, username: str) -> Account:
    body = {"email": f"{username}@{EMAIL_DOMAIN}", "password": DEMO_PASSWORD}
    session = (await http.post("/api/v1/users/login", json=body)).raise_for_status().json()
    return Account(session["user"]["id"], session["access_token"], http)


def _in_process() -> list[Row]:
    graph = with_vectors(_town())
    matcher = Matcher(PairFeatures(graph), USERS.heuristic, CONNECTORS.heuristic, "benchmark")
    users = np.random.default_rng(SEED).integers(0, INHABITANTS, ASKED)
    rows: list[Row] = []
    for kind in MatchKind:
        seconds = _seconds(partial(_match, matcher, kind), users)
        rows += percentiles(f"matching {kind.value}, {INHABITANTS:,} people", seconds, note=f"{ASKED} people")
    groups = np.random.default_rng(SEED).integers(0, INHABITANTS, (PAIRINGS, MAX_OFFERS + MAX_SEEKERS)).astype(str)
    seconds = [_seconds_of(partial(matcher.pairs, row[:MAX_OFFERS], row[MAX_OFFERS:])) for row in groups.tolist()]
    rows += percentiles(f"pairs, {MAX_OFFERS} with {MAX_SEEKERS}", seconds, note=f"{PAIRINGS} such groups")
    limit = _seconds(lambda person: graph.edge_vectors @ graph.edge_vectors[person], users)
    rows += percentiles("raw limit: everybody's vectors, once", limit)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows.append(Row("memory, most at any time", ours=megabytes, unit="MiB", note="making the vectors included"))
    return rows


def _match(matcher: Matcher, kind: MatchKind, person: int) -> MatchResponse:
    return matcher.match(str(person), kind, limit=LIMIT)


def _seconds(compute: Callable[[int], object], users: np.ndarray) -> list[float]:
    return [_seconds_of(partial(compute, int(person))) for person in users]


def _seconds_of(compute: Callable[[], object]) -> float:
    began = time.perf_counter()
    compute()
    return time.perf_counter() - began


def _town() -> SocialGraph:
    """Return a town with random ties, memberships and interests, a few of them very popular."""
    generator = np.random.default_rng(SEED)

    def pairs(each: int, of: int) -> np.ndarray:
        left = np.repeat(np.arange(INHABITANTS), each)
        wanted = (of * generator.random(len(left)) ** 2).astype(np.int64)
        return np.unique(np.stack((left, wanted), axis=1), axis=0)

    return social_graph_of(
        users=tuple(map(str, range(INHABITANTS))),
        connectors=tuple(map(str, range(CONNECTORS_THERE))),
        interests=tuple(map(str, range(INTERESTS))),
        follows=pairs(TIES_EACH, INHABITANTS),
        members=pairs(MEMBERSHIPS_EACH, CONNECTORS_THERE),
        likes=pairs(INTERESTS_EACH, INTERESTS),
        cities=generator.integers(0, 5, INHABITANTS),
        neighborhoods=generator.integers(0, PLACES, INHABITANTS),
    )
