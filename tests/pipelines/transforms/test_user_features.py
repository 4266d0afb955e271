from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings

from feature_repo.schemas import (
    ACTIVITY_WINDOWS,
    COUNTED_KINDS,
    MAX_CATEGORIES,
    MAX_RECENT_ITEMS,
    RECENT_WINDOW,
    SESSION_GAP,
)
from pipelines.transforms.user_features import (
    ACTIVITY_HORIZON,
    AFFINITY_HALF_LIFE,
    AFFINITY_HORIZON,
    AFFINITY_WEIGHT,
    ENGAGED_KINDS,
    RECENT_HORIZON,
    user_activity,
    user_affinity,
    user_recent_activity,
)

from .histories import START, Act, frame, histories, moment_lists


def rows(view: pl.LazyFrame) -> dict[tuple[str, datetime], dict[str, Any]]:
    found = view.collect().to_dicts()
    keyed = {(row.pop("user_id"), row.pop("event_timestamp")): row for row in found}
    assert len(keyed) == len(found)
    return keyed


def present(history: list[Act], moment: datetime, *, horizon: timedelta) -> set[str]:
    return {act.user_id for act in history if moment - horizon < act.occurred_at <= moment}


@settings(max_examples=40)
@given(history=histories, at=moment_lists)
def test_activity_counts_equal_brute_force(history: list[Act], at: list[datetime]) -> None:
    expected = {
        (user, moment): {
            f"{plural}_{suffix}": sum(
                act.user_id == user and act.kind == kind and act.counts_at(moment, window=window) for act in history
            )
            for kind, plural in COUNTED_KINDS.items()
            for suffix, window in ACTIVITY_WINDOWS.items()
        }
        for moment in set(at)
        for user in present(history, moment, horizon=ACTIVITY_HORIZON)
    }
    assert rows(user_activity(frame(history), at=at)) == expected


def session(times: list[datetime], moment: datetime) -> dict[str, float]:
    """The acts since the last pause, walking back from the newest."""
    ordered = sorted(times, reverse=True)
    if not ordered or moment - ordered[0] >= SESSION_GAP:
        return {"session_acts": 0, "session_minutes": 0.0}
    length = next(
        (n for n, (later, earlier) in enumerate(pairwise(ordered), 1) if later - earlier >= SESSION_GAP), len(ordered)
    )
    return {"session_acts": length, "session_minutes": (ordered[0] - ordered[length - 1]) / timedelta(minutes=1)}


@settings(max_examples=30)
@given(history=histories, at=moment_lists)
def test_last_hour_equals_brute_force(history: list[Act], at: list[datetime]) -> None:
    expected: dict[tuple[str, datetime], dict[str, object]] = {}
    for moment in set(at):
        for user in present(history, moment, horizon=RECENT_HORIZON):
            counting = [act for act in history if act.user_id == user and act.counts_at(moment, window=RECENT_WINDOW)]
            newest: dict[tuple[str, str], datetime] = {}
            for act in counting:
                if act.kind in ENGAGED_KINDS:
                    key = (act.item_kind, act.item_id)
                    newest[key] = max(newest.get(key, act.occurred_at), act.occurred_at)
            ordered = sorted(newest, key=lambda key: (-newest[key].timestamp(), key[1]))
            kinds = Counter(act.kind for act in counting)
            expected[user, moment] = {
                **{f"{plural}_last_hour": kinds[kind] for kind, plural in COUNTED_KINDS.items()},
                "recent_post_ids": [item for kind, item in ordered if kind == "post"][:MAX_RECENT_ITEMS],
                "recent_connector_ids": [item for kind, item in ordered if kind == "connector"][:MAX_RECENT_ITEMS],
                "recent_event_ids": [item for kind, item in ordered if kind == "event"][:MAX_RECENT_ITEMS],
                "recent_item_ids": [item for kind, item in ordered if kind == "item"][:MAX_RECENT_ITEMS],
                **session([act.occurred_at for act in counting], moment),
            }
    assert rows(user_recent_activity(frame(history), at=at)) == expected


@settings(max_examples=40)
@given(history=histories, at=moment_lists)
def test_affinity_equals_brute_force(history: list[Act], at: list[datetime]) -> None:
    found = rows(user_affinity(frame(history), at=at))
    weighing = [act for act in history if act.kind in AFFINITY_WEIGHT]
    for moment in set(at):
        for user in present(weighing, moment, horizon=AFFINITY_HORIZON + AFFINITY_HALF_LIFE):
            scores: dict[str, float] = defaultdict(float)
            for act in weighing:
                if act.user_id == user and act.counts_at(moment, window=AFFINITY_HORIZON):
                    half_lives = (moment - act.occurred_at) / AFFINITY_HALF_LIFE
                    scores[act.category] += AFFINITY_WEIGHT[act.kind] * 0.5**half_lives
            # A score of exactly nothing may come out of floating point as a little more or less.
            liked = {category: score for category, score in scores.items() if score > 1e-9}
            row = found.pop((user, moment))
            weights = dict(zip(row["categories"], row["weights"], strict=True))
            assert {c for c, w in weights.items() if w > 1e-6} == {
                c for c, s in liked.items() if s / sum(liked.values()) > 1e-6
            } or not liked
            for category, score in liked.items():
                assert weights.get(category, 0.0) == pytest.approx(score / sum(liked.values()), abs=1e-5)
            assert row["evidence"] == pytest.approx(sum(liked.values()), rel=1e-4, abs=1e-5)
    assert not found


def test_affinity_has_the_top_categories_and_sums_to_one() -> None:
    history = [
        Act("ada", "join", "connector", f"c{n}", f"c{n}", f"category-{n:02}", START + timedelta(days=n), None)
        for n in range(20)
    ]
    (row,) = rows(user_affinity(frame(history), at=[START + timedelta(days=21)])).values()
    assert row["categories"] == [f"category-{n:02}" for n in reversed(range(20 - MAX_CATEGORIES, 20))]
    assert sum(row["weights"]) == pytest.approx(1.0)
    assert row["weights"][0] / row["weights"][-1] == pytest.approx(2 ** (15 / 14), rel=1e-4)


@settings(max_examples=15)
@given(history=histories, at=moment_lists)
def test_one_as_of_time_gives_the_rows_of_many(history: list[Act], at: list[datetime]) -> None:
    together = rows(user_activity(frame(history), at=at))
    alone: dict[tuple[str, datetime], dict[str, object]] = {}
    for moment in at:
        alone |= rows(user_activity(frame(history), at=[moment]))
    assert together == alone


@settings(max_examples=20)
@given(history=histories, at=moment_lists)
def test_later_acts_do_not_change_a_row(history: list[Act], at: list[datetime]) -> None:
    moment = min(at)
    known = [act for act in history if act.occurred_at <= moment]
    for transform in (user_activity, user_recent_activity, user_affinity):
        assert rows(transform(frame(history), at=[moment])) == rows(transform(frame(known), at=[moment]))


def test_a_retracted_act_is_written_as_zero() -> None:
    like = Act("ada", "like", "post", "garden-0", "garden", "gardening", START, START + timedelta(minutes=5))
    after = START + timedelta(minutes=6)
    assert rows(user_activity(frame([like]), at=[after]))["ada", after]["likes_28d"] == 0
    assert rows(user_recent_activity(frame([like]), at=[after]))["ada", after]["recent_post_ids"] == []
    assert rows(user_affinity(frame([like]), at=[after]))["ada", after] == {
        "categories": [],
        "weights": [],
        "evidence": 0.0,
    }


def test_an_as_of_time_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        user_activity(frame([]), at=[datetime(2026, 3, 1)])  # noqa: DTZ001
