"""Judgment of served feeds by the ground truth: sample people, read their first pages, and measure them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from neighborconnect.contracts.events import ReportableKind
from neighborconnect.feed.policy import ranking_policy
from simulator.feed_client import MAX_CONCURRENT_PEOPLE, FeedClient
from simulator.judged_home import HomeItems, HomePage, HomeQuality, home_quality, home_summary, mixed_again
from simulator.judged_pages import (
    Composition,
    Facts,
    Quality,
    Served,
    composition,
    composition_summary,
    quality,
    summary,
)
from simulator.judged_town import (
    Eligible,
    active_people,
    read_eligible,
    read_facts,
    read_follows,
    read_memberships,
    sample_people,
)
from simulator.true_utility import KINDS, GroundTruth

WEEK: Final = timedelta(days=7)
RECENT_POSTS: Final = "post, younger than a week"
SERVED: Final = "served"
MIXED: Final = "mixed from the feeds"
"""The same policy applied to the feeds of the kinds: how far it is from what was served bounds the error of both."""
UNLIMITED: Final = "mixed without a limit of categories"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Parameters of the measurement."""

    people: int
    newcomer_days: float
    pages: int
    limit: int
    seed: int
    api_url: str
    password: str


@dataclass(slots=True)
class _Group:
    """Measurements of one group of people, by kind."""

    quality: dict[str, list[Quality]] = field(default_factory=dict)
    composition: dict[str, list[Composition]] = field(default_factory=dict)
    paths: dict[str, Counter[str]] = field(default_factory=dict)
    home: dict[str, list[HomeQuality]] = field(default_factory=dict)
    home_paths: dict[str, Counter[str]] = field(default_factory=dict)

    def as_dict(self, *, people: int, seed: int) -> dict[str, Any]:
        return {
            "people": people,
            "quality": {name: summary(rows, seed=seed) for name, rows in self.quality.items()},
            "composition": {
                name: {**composition_summary(rows), "paths": dict(self.paths[name].most_common())}
                for name, rows in self.composition.items()
            },
            "home": {name: home_summary(rows, seed=seed) for name, rows in self.home.items()},
            "home_paths": {kind: dict(paths.most_common()) for kind, paths in self.home_paths.items()},
        }


class _Judge:
    """Town, and what is known of the sampled people."""

    def __init__(
        self,
        truth: GroundTruth,
        *,
        facts: Mapping[ReportableKind, Mapping[str, Facts]],
        eligible: Mapping[tuple[str, ReportableKind], Eligible],
        joined: Mapping[str, frozenset[str]],
    ) -> None:
        self._truth, self._facts, self._eligible, self._joined = truth, facts, eligible, joined

    def measure(
        self,
        group: _Group,
        user_id: str,
        kind: ReportableKind,
        served: Served,
        *,
        path: str,
    ) -> None:
        """Add the measurements of the first pages of a kind."""
        at, facts = datetime.now(UTC), self._facts[kind]
        eligible = self._eligible[user_id, kind]
        gains = self._gains(user_id, kind)
        ranked = [*gains]
        popularity = {item_id: facts[item_id].popularity for item_id in ranked}

        def compare(name: str, order: list[str], eligible: list[str]) -> None:
            row = quality(order, eligible=eligible, gains=gains, popularity=popularity)
            group.quality.setdefault(name, []).append(row)

        compare(kind.value, list(served.item_ids), ranked)
        if kind is ReportableKind.POST:
            recent = {item_id for item_id, item in facts.items() if at - item.created_at < WEEK}
            compare(
                RECENT_POSTS,
                [item_id for item_id in served.item_ids if item_id in recent],
                [item_id for item_id in ranked if item_id in recent],
            )
        is_known = self._truth.is_known
        group.composition.setdefault(kind.value, []).append(
            composition(
                served,
                facts=facts,
                may_serve=frozenset((*eligible.first, *eligible.last)),
                joined=self._joined.get(user_id, frozenset()),
                is_known=lambda item_id: is_known(kind, item_id),
                at=at,
            )
        )
        group.paths.setdefault(kind.value, Counter())[path] += 1

    def measure_home(
        self, group: _Group, user_id: str, page: HomePage, lanes: Mapping[ReportableKind, Served], *, limit: int
    ) -> None:
        """Add the measurements of the home page, and of the same feeds mixed without the limit of a category."""
        at, policy = datetime.now(UTC), ranking_policy()
        gains = {kind: self._gains(user_id, kind) for kind in KINDS}
        eligible = [self._eligible[user_id, kind] for kind in KINDS]
        may_serve = frozenset(item_id for one in eligible for item_id in (*one.first, *one.last))
        reasons = {
            item_id: reason for one in lanes.values() for item_id, reason in zip(one.item_ids, one.reasons, strict=True)
        }
        unlimited = policy.model_copy(update={"home": policy.home.model_copy(update={"most_of_category": 1.0})})
        pages: dict[str, tuple[HomeItems, tuple[str, ...]]] = {SERVED: (page.items, page.reasons)}
        for name, mixed_by in ((MIXED, policy), (UNLIMITED, unlimited)):
            mixed = mixed_again(lanes, facts=self._facts, policy=mixed_by, limit=limit)
            pages[name] = (mixed, tuple(reasons[item_id] for _, item_id in mixed))
        for name, (items, texts) in pages.items():
            row = home_quality(items, reasons=texts, gains=gains, may_serve=may_serve, facts=self._facts, at=at)
            group.home.setdefault(name, []).append(row)
        for kind, path in page.paths.items():
            group.home_paths.setdefault(kind, Counter())[path] += 1

    def _gains(self, user_id: str, kind: ReportableKind) -> dict[str, float]:
        """Return the true gain of the items that the pages of a kind are judged among."""
        ranked = [item_id for item_id in self._eligible[user_id, kind].ranked if item_id in self._facts[kind]]
        utility = self._truth.utility(kind, ranked, person=self._truth.person(user_id))
        return dict(zip(ranked, self._truth.gain(utility).tolist(), strict=True))


async def judge_feeds(
    plan: Plan,
    truth: GroundTruth,
    connection: psycopg.Connection,
    *,
    on_total: Callable[[int], None] = lambda _people: None,
    on_read: Callable[[], None] = lambda: None,
    on_person: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Judge the feeds of sampled people, and return the measurements by group and kind.

    Args:
        plan: what is measured.
        truth: ground truth of the town.
        connection: connection to the town's database, which is only read.
        on_total: called with the number of sampled people.
        on_read: called after the eligible items of each person were read.
        on_person: called after each judged person.

    Raises:
        TownError: the ground truth, the database and the API do not belong together, or the API refuses a call.
    """
    usernames = active_people(connection)
    groups = sample_people(truth, among=usernames, count=plan.people, newcomer_days=plan.newcomer_days, seed=plan.seed)
    user_ids = [user_id for members in groups.values() for user_id in members]
    on_total(len(user_ids))
    truth.follows = read_follows(connection, user_ids)
    judge = _Judge(
        truth,
        facts={kind: read_facts(connection, kind) for kind in KINDS},
        eligible=await asyncio.to_thread(read_eligible, user_ids, on_person=on_read),
        joined=read_memberships(connection, user_ids),
    )
    measured = {name: _Group() for name in groups}
    people = iter([(measured[name], user_id) for name, members in groups.items() for user_id in members])

    async def work(client: FeedClient) -> None:
        for group, user_id in people:
            login = await client.log_in(usernames[user_id], password=plan.password)
            try:
                lanes: dict[ReportableKind, Served] = {}
                for kind in KINDS:
                    lanes[kind], path = await client.first_pages(login, kind, pages=plan.pages, limit=plan.limit)
                    judge.measure(group, user_id, kind, lanes[kind], path=path)
                page = await client.home_page(login, limit=plan.limit)
                judge.measure_home(group, user_id, page, lanes, limit=plan.limit)
            finally:
                await client.log_out(login)
            on_person()

    async with FeedClient(plan.api_url) as client, asyncio.TaskGroup() as tasks:
        for _ in range(MAX_CONCURRENT_PEOPLE):
            tasks.create_task(work(client))
    given = {name: value for name, value in asdict(plan).items() if name != "password"}
    return {
        **given,
        "groups": {name: group.as_dict(people=len(groups[name]), seed=plan.seed) for name, group in measured.items()},
    }
