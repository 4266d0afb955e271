"""Protocol for newcomers: a place and three interests, the first page, three likes by the ground truth, the next page.

A newcomer is the twin of a person of the town: same hidden taste, same neighborhood, and three of the person's favorite
categories as stated interests. Their first ten posts are compared with the best, the most popular and all posts that
may be served to them, by the expected clicks of the choice model.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import psycopg

from neighborconnect.contracts.events import ReportableKind
from simulator.arrays import Floats
from simulator.bulk import TownError
from simulator.feed_client import FeedClient, Login
from simulator.judged_pages import TOP, Facts, interval
from simulator.judged_town import read_eligible, read_facts
from simulator.people import CITY, COUNTRY, STATE
from simulator.rows import EMAIL_DOMAIN
from simulator.true_utility import GroundTruth, Person
from simulator.vocabulary import load_vocabulary

INTERESTS: Final = 3
ACTS: Final = 3
_FAVORITE = "favours_"
BEFORE, AFTER = "first page", "after three likes"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewcomerPlan:
    """Parameters of the measurement. ``wait`` is in seconds, for the likes to reach the features."""

    people: int
    wait: float
    seed: int
    api_url: str
    platform_token: str


@dataclass(frozen=True, slots=True)
class _Newcomer:
    login: Login
    person: Person


@dataclass(frozen=True, slots=True)
class _Clicks:
    """Expected clicks on ten posts by different rankings of the same posts."""

    served: float
    popularity: float
    random: float
    oracle: float


async def follow_newcomers(
    plan: NewcomerPlan,
    truth: GroundTruth,
    connection: psycopg.Connection,
    *,
    on_step: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Register newcomers, measure their first page, like three posts, and measure the next page.

    Raises:
        TownError: the API cannot be reached or refuses a call, or nobody in the town has enough favorite categories.
    """
    facts = read_facts(connection, ReportableKind.POST)
    twins = _twins(truth, plan)
    async with FeedClient(plan.api_url) as client:
        newcomers = []
        for user_id, interests in twins:
            newcomers.append(await _register(client, truth, plan, twin=user_id, interests=interests))
            on_step()
        before = await _measure(client, truth, facts, newcomers, on_step=on_step)
        for newcomer, (_, _, top) in zip(newcomers, before, strict=True):
            utility = np.nan_to_num(truth.utility(ReportableKind.POST, top, person=newcomer.person), nan=-np.inf)
            for position in np.argsort(-utility, kind="stable")[:ACTS].tolist():
                await client.like(newcomer.login, top[position])
        await asyncio.sleep(plan.wait)
        after = await _measure(client, truth, facts, newcomers, on_step=on_step)
        for newcomer in newcomers:
            await client.log_out(newcomer.login)
    return {
        "people": plan.people,
        "seed": plan.seed,
        "api_url": plan.api_url,
        "wait_seconds": plan.wait,
        "pages": {BEFORE: _summary(before, plan), AFTER: _summary(after, plan)},
    }


def _twins(truth: GroundTruth, plan: NewcomerPlan) -> list[tuple[str, list[str]]]:
    """Draw the people whose taste the newcomers have, each with three of their favorite categories."""
    rng = np.random.default_rng(plan.seed)
    columns = [name for name in truth.people.columns if name.startswith(_FAVORITE)]
    favorites = truth.people.select(columns).to_numpy()
    eligible = np.flatnonzero(favorites.sum(axis=1) >= INTERESTS)
    if not len(eligible):
        raise TownError(f"Nobody in the town has {INTERESTS} favorite categories.")
    names = np.array([name.removeprefix(_FAVORITE) for name in columns])
    return [
        (
            truth.people["user_id"][row],
            rng.choice(names[np.flatnonzero(favorites[row])], INTERESTS, replace=False).tolist(),
        )
        for row in rng.choice(eligible, plan.people, replace=plan.people > len(eligible)).tolist()
    ]


async def _register(
    client: FeedClient, truth: GroundTruth, plan: NewcomerPlan, *, twin: str, interests: list[str]
) -> _Newcomer:
    person = truth.person(twin)
    username = f"newcomer.{secrets.token_hex(6)}"
    profile = {
        "email": f"{username}@{EMAIL_DOMAIN}",
        "password": secrets.token_urlsafe(16),
        "username": username,
        "first_name": "New",
        "last_name": "Comer",
        "neighborhood": load_vocabulary().homes[person.home],
        "city": CITY,
        "state": STATE,
        "country": COUNTRY,
        "interests": interests,
    }
    login = await client.register(profile, platform_token=plan.platform_token)
    # A newcomer follows nobody yet.
    return _Newcomer(login, replace(person, user_id=login.user_id))


async def _measure(
    client: FeedClient,
    truth: GroundTruth,
    facts: Mapping[str, Facts],
    newcomers: list[_Newcomer],
    *,
    on_step: Callable[[], None],
) -> list[tuple[_Clicks, str, list[str]]]:
    """Return the expected clicks, the path and the first ten posts of each newcomer."""
    kind = ReportableKind.POST
    eligible = await asyncio.to_thread(read_eligible, [newcomer.login.user_id for newcomer in newcomers])
    rows = []
    for newcomer in newcomers:
        served, path = await client.first_pages(newcomer.login, kind, pages=1, limit=TOP)
        ranked = [item_id for item_id in eligible[newcomer.login.user_id, kind].ranked if item_id in facts]
        if not ranked:
            raise TownError("There are no posts that may be served to a newcomer.")

        def clicks(item_ids: Sequence[str], person: Person = newcomer.person) -> Floats:
            return truth.clicks(truth.utility(kind, item_ids, person=person))

        of_all = clicks(ranked)
        popular = sorted(ranked, key=lambda item_id: (-facts[item_id].popularity, item_id))
        rows.append(
            (
                _Clicks(
                    served=truth.expected_clicks(clicks(served.item_ids)),
                    popularity=truth.expected_clicks(clicks(popular[:TOP])),
                    random=truth.expected_clicks(np.full(min(TOP, len(ranked)), of_all.mean())),
                    oracle=truth.expected_clicks(np.sort(of_all)[::-1][:TOP]),
                ),
                path,
                list(served.item_ids[:TOP]),
            )
        )
        on_step()
    return rows


def _summary(rows: list[tuple[_Clicks, str, list[str]]], plan: NewcomerPlan) -> dict[str, Any]:
    measured = [asdict(clicks) for clicks, _, _ in rows]
    return {
        **{name: asdict(interval([row[name] for row in measured], seed=plan.seed)) for name in measured[0]},
        "paths": dict(Counter(path for _, path, _ in rows).most_common()),
    }
