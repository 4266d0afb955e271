"""A small town that lives with each policy for two days."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.closed_loop import Outcome, gini, interval_over_seeds, live, tables
from benchmarks.living_town import LivingTown
from benchmarks.loop_policies import POLICIES, Log
from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.eligibility import mask_of


@pytest.fixture(scope="module")
def world() -> LivingTown:
    return LivingTown.build(users=60, history_days=8, days=2, seed=1)


@pytest.fixture(scope="module")
def outcomes(world: LivingTown) -> dict[str, Outcome]:
    return {name: live(world, name) for name in POLICIES}


def test_served_policy_earns_more_than_baselines(outcomes: dict[str, Outcome]) -> None:
    utility = {name: outcome.expected_likes for name, outcome in outcomes.items()}
    assert utility["oracle"] > utility["served"] > 1.2 * max(utility["popularity"], utility["random"])


def test_every_policy_gets_the_same_requests_and_masks(world: LivingTown, outcomes: dict[str, Outcome]) -> None:
    requests = sum(1 for day in (8, 9) for _ in world.requests_on(day))
    assert requests > 50
    for outcome in outcomes.values():
        assert outcome.requests == requests
        assert outcome.metrics(world)["excluded posts shown"] == 0.0


def test_a_loop_with_the_same_seed_is_the_same(world: LivingTown, outcomes: dict[str, Outcome]) -> None:
    again = LivingTown.build(users=60, history_days=8, days=2, seed=1)
    assert live(again, "served").metrics(again) == outcomes["served"].metrics(world)


def test_what_people_do_changes_what_they_may_be_shown(world: LivingTown) -> None:
    log = Log(world)
    request = next(iter(world.requests_on(8)))
    user_id = world.ids.users[request.user]
    before = mask_of(log.of(user_id), item_kind=ItemKind.POST.value, at=world.time(request.at))
    page = before.split(world.described(at=request.at).frame["item_id"].to_list())[0][:10]
    shown = world.react(request, page)
    log.add(user_id, world.acts_of(shown))
    after = mask_of(log.of(user_id), item_kind=ItemKind.POST.value, at=world.time(request.at + 3_600))
    opened = {page[position] for position in np.flatnonzero(shown.reactions.clicked)}
    assert opened <= set(after.excluded)
    assert set(page) <= {*after.excluded, *after.shown}
    later = request.at + 3_600
    assert len(log.until(later)) - len(Log(world).until(later)) == len(world.acts_of(shown)) >= len(page)


def test_posts_of_the_future_are_not_there(world: LivingTown) -> None:
    there = world.described(at=world.opens).frame["created_at"]
    assert there.max() <= world.time(world.opens) < world.items["created_at"].max()


def test_gini_is_zero_for_equals_and_near_one_for_one_winner() -> None:
    assert gini(np.full(5, 3.0)) == pytest.approx(0.0)
    assert gini(np.array([0.0] * 99 + [7.0])) == pytest.approx(0.99)


def test_interval_needs_two_seeds_and_contains_the_mean() -> None:
    assert interval_over_seeds([2.0]) == (2.0, -math.inf, math.inf)
    mean, low, high = interval_over_seeds([1.0, 2.0, 3.0])
    assert low < mean == 2.0 < high


def test_tables_have_a_column_for_each_policy(world: LivingTown, outcomes: dict[str, Outcome]) -> None:
    metrics, lead = tables({name: [one.metrics(world)] for name, one in outcomes.items()}, title="loop")
    assert [str(column.header) for column in metrics.columns] == ["metric", *POLICIES]
    assert lead.row_count == len(POLICIES) - 1
