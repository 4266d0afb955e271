"""A mixed page: shares of the kinds, variety of its first items, and what was shown comes last."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from neighborconnect.feed.mixing import LaneItem, mix
from neighborconnect.feed.policy import HomeShares, KindShare, ranking_policy

POLICY = ranking_policy()
KINDS = ("post", "connector", "event", "item")


def lane(kind: str, *, count: int, score: float = 0.5, was_shown: bool = False) -> list[LaneItem[str]]:
    """Items of as many authors."""
    return [
        LaneItem(f"{kind} {place}", score - place / 1_000, f"{kind} {place}", was_shown=was_shown)
        for place in range(count)
    ]


LANES = st.fixed_dictionaries(
    {
        kind: st.lists(
            st.tuples(
                st.floats(0, 1), st.sampled_from("abcd"), st.sampled_from("ijk"), st.sampled_from("xyz"), st.booleans()
            ),
            max_size=12,
        ).map(
            lambda rows, kind=kind: [
                LaneItem(f"{kind} {place}", *fields)
                for place, fields in enumerate(sorted(rows, key=lambda row: -row[0]))
            ]
        )
        for kind in KINDS
    }
)


@settings(max_examples=150)
@given(lanes=LANES, limit=st.integers(1, 25))
def test_a_mixed_page_is_full_ordered_and_free_of_repeats(lanes: dict[str, list[LaneItem[str]]], limit: int) -> None:
    page = mix(lanes, policy=POLICY, limit=limit)

    ids, scores = [one.item_id for one in page], [one.score for one in page]
    assert len(ids) == len(set(ids)) == min(limit, sum(map(len, lanes.values())))
    assert scores == sorted(scores, reverse=True)
    shown = {one.item_id for items in lanes.values() for one in items if one.was_shown}
    assert sorted(ids, key=lambda item_id: item_id in shown) == ids


@settings(max_examples=150)
@given(
    lanes=LANES,
    limit=st.integers(1, 25),
    most_of_category=st.floats(0.01, 1),
    most_of_author=st.integers(1, 3),
    most_of_connector=st.integers(1, 3),
)
def test_every_item_is_on_one_of_the_pages_whatever_the_limits(
    lanes: dict[str, list[LaneItem[str]]],
    limit: int,
    most_of_category: float,
    most_of_author: int,
    most_of_connector: int,
) -> None:
    policy = POLICY.model_copy(
        update={
            "home": POLICY.home.model_copy(update={"most_of_category": most_of_category}),
            "variety": POLICY.variety.model_copy(
                update={"most_of_author": most_of_author, "most_of_connector": most_of_connector}
            ),
        }
    )
    every, served = [one.item_id for items in lanes.values() for one in items], list[str]()
    while len(served) < len(every):
        # A lane of a request has the best items of its kind, and not more of them than the page has places.
        left = {kind: [one for one in items if one.item_id not in served][:limit] for kind, items in lanes.items()}
        page = mix(left, policy=policy, limit=limit)
        assert len(page) == min(limit, len(every) - len(served))
        served += [one.item_id for one in page]
    assert sorted(served) == sorted(every)


def test_no_category_takes_the_page_while_there_are_others() -> None:
    lanes = {
        kind: [replace(one, category="sport") for one in lane(kind, count=20, score=0.9)]
        + [replace(one, item_id=f"other {one.item_id}", category="music") for one in lane(kind, count=20, score=0.2)]
        for kind in KINDS
    }

    page = mix(lanes, policy=POLICY, limit=20)

    is_other = [one.item_id.startswith("other") for one in page]
    for length in range(1, 21):
        most = math.ceil(POLICY.home.most_of_category * length)
        assert is_other[:length].count(False) <= most
    assert is_other.count(False) == math.ceil(POLICY.home.most_of_category * 20)
    for kind in KINDS:
        share = POLICY.home.of(kind)
        assert math.floor(share.least * 20) <= sum(one.kind == kind for one in page) <= math.ceil(share.most * 20)


def test_one_category_fills_the_page_where_nothing_else_is_left() -> None:
    lanes = {kind: [replace(one, category="sport") for one in lane(kind, count=5)] for kind in KINDS}
    assert len(mix(lanes, policy=POLICY, limit=20)) == 20


def test_a_kind_keeps_its_least_share_above_the_category_limit() -> None:
    lanes = {
        "post": [replace(one, category="music") for one in lane("post", count=4)]
        + [replace(one, category="sport") for one in lane("post", count=16, score=0.4)],
        "event": [replace(one, category="sport") for one in lane("event", count=20, score=0.3)],
    }
    policy = POLICY.model_copy(update={"home": POLICY.home.model_copy(update={"most_of_category": 0.1})})
    assert sum(one.kind == "event" for one in mix(lanes, policy=policy, limit=20)) >= POLICY.home.event.least * 20


@pytest.mark.parametrize("best", KINDS)
def test_shares_bound_what_scores_decide(best: str) -> None:
    lanes = {kind: lane(kind, count=30, score=0.9 if kind == best else 0.3) for kind in KINDS}

    counts = Counter(one.kind for one in mix(lanes, policy=POLICY, limit=20))

    for kind in KINDS:
        share = POLICY.home.of(kind)
        assert math.floor(share.least * 20) <= counts[kind] <= math.ceil(share.most * 20)
    assert counts[best] == math.ceil(POLICY.home.of(best).most * 20)


def test_one_kind_fills_the_page_where_nothing_else_is_left() -> None:
    lanes = {"post": lane("post", count=9), "connector": lane("connector", count=1), "event": [], "item": []}
    page = mix(lanes, policy=POLICY, limit=10)
    assert Counter(one.kind for one in page) == {"post": 9, "connector": 1}
    assert mix({}, policy=POLICY, limit=10) == []


def test_nobody_is_twice_among_the_first_items_of_any_kind() -> None:
    lanes = {kind: lane(kind, count=10) for kind in KINDS}
    lanes["event"] = [LaneItem(f"event {place}", 0.9, "post 0", "club") for place in range(10)]
    page = mix(lanes, policy=POLICY, limit=20)
    first = [one.item_id for one in page[: POLICY.variety.first]]
    assert sum(item_id.startswith("event") or item_id == "post 0" for item_id in first) == 1


def test_what_was_shown_does_not_count_as_a_share() -> None:
    lanes = {kind: lane(kind, count=10, was_shown=kind != "post") for kind in KINDS}
    assert {one.kind for one in mix(lanes, policy=POLICY, limit=10)} == {"post"}


def test_shares_that_no_page_can_have_are_rejected() -> None:
    with pytest.raises(ValidationError):
        KindShare(least=0.5, most=0.4, weight=1.0)
    with pytest.raises(ValidationError):
        HomeShares(event=KindShare(least=0.5, most=0.6, weight=1.0))
