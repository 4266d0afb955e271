"""The predictor answers from a snapshot and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommendation.predictor import POPULARITY_CHAMPION, STALE_USER_VECTOR, Predictor, UserProfile
from models.recommendation.scoring import BlendWeights, normalise_rows
from models.recommendation.snapshot import FoldIn, ItemSnapshot, SnapshotError, from_bytes, to_bytes
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import RankingPath, RankRequest

CATEGORIES = ("gardening", "gardening", "running", "running", "")


def snapshot() -> ItemSnapshot:
    return ItemSnapshot(
        kind=ItemKind.POST,
        model_version="post-abc",
        version="20260301T000000000000Z",
        item_ids=("soil", "roses", "trail", "shoes", "plain"),
        factors=np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [0, 0]], dtype=np.float32),
        is_warm=np.array([True, False, True, True, False]),
        embeddings=normalise_rows(
            np.array([[1, 0, 0], [1, 0.1, 0], [0, 1, 0], [0, 1, 0.1], [0, 0, 0]], dtype=np.float32)
        ),
        popularity=np.array([0.1, 0.2, 1.0, 0.4, 0.3], dtype=np.float32),
        item_damping=np.ones(5, dtype=np.float32),
        projection=np.zeros((3, 2), dtype=np.float32),
        categories=CATEGORIES,
        known=BlendWeights(popularity=0.1, content=0.1, affinity=0.1),
        newcomer=BlendWeights(popularity=0.1, content=0.5, affinity=1.0),
        fold_in=FoldIn(alpha=4.0, regularization=1.0, damping=0.25),
        popularity_half_life_days=7.0,
    )


def ask(*, limit: int = 5, exclude: tuple[str, ...] = ()) -> RankRequest:
    return RankRequest(request_id="r", user_id="u", item_kind=ItemKind.POST, limit=limit, exclude=list(exclude))


GARDENER = UserProfile(vector=np.array([1.0, 0.0], dtype=np.float32))


def order(user: UserProfile, request: RankRequest | None = None) -> list[str]:
    return [item.item_id for item in Predictor(snapshot()).rank(request or ask(), user=user).items]


def test_a_person_with_a_vector_is_ranked_by_it() -> None:
    answer = Predictor(snapshot()).rank(ask(limit=2), user=GARDENER)

    assert answer.path is RankingPath.COLLABORATIVE
    assert answer.reason_code is None
    assert [item.item_id for item in answer.items] == ["soil", "roses"]
    assert {item.reason for item in answer.items} == {"Neighbours who like what you like"}
    assert answer.model_version == "post-abc"


def test_a_newcomer_with_a_liking_gets_what_is_like_it_and_is_told_why() -> None:
    answer = Predictor(snapshot()).rank(ask(limit=2), user=UserProfile(affinity={"gardening": 1.0}))

    assert answer.path is RankingPath.CONTENT
    assert answer.reason_code == "no_user_vector"
    assert {item.item_id for item in answer.items} == {"soil", "roses"}
    assert {item.reason for item in answer.items} == {"Because you like gardening"}


def test_what_was_liked_a_moment_ago_counts_before_anything_is_computed_from_it() -> None:
    assert set(order(UserProfile(recent_items=("roses",)), ask(limit=2))) == {"soil", "roses"}


def test_nobody_known_gets_what_is_popular() -> None:
    answer = Predictor(snapshot()).rank(ask(), user=UserProfile(gap=STALE_USER_VECTOR))

    assert answer.path is RankingPath.POPULAR
    assert answer.reason_code == STALE_USER_VECTOR
    assert [item.item_id for item in answer.items] == ["trail", "shoes", "plain", "roses", "soil"]


def test_a_vector_of_another_model_is_not_used() -> None:
    answer = Predictor(snapshot()).rank(ask(), user=UserProfile(vector=np.ones(7, dtype=np.float32)))

    assert answer.path is RankingPath.POPULAR


def test_the_popularity_champion_says_so() -> None:
    nobody = replace(snapshot(), factors=np.zeros((5, 0), dtype=np.float32))

    answer = Predictor(nobody).rank(ask(), user=GARDENER)

    assert (answer.path, answer.reason_code) == (RankingPath.POPULAR, POPULARITY_CHAMPION)


def test_a_cold_item_competes_by_the_factors_its_text_foretells() -> None:
    assert order(GARDENER)[:2] == ["soil", "roses"]
    assert not snapshot().is_warm[1]


@settings(max_examples=60)
@given(
    exclude=st.lists(st.sampled_from(["soil", "roses", "trail", "shoes", "plain", "nowhere"]), max_size=6),
    limit=st.integers(1, 10),
    user=st.sampled_from([GARDENER, UserProfile(), UserProfile(affinity={"running": 0.7, "opera": 0.3})]),
)
def test_an_answer_is_ordered_free_of_the_excluded_and_the_same_each_time(
    exclude: list[str], limit: int, user: UserProfile
) -> None:
    predictor, request = Predictor(snapshot()), ask(limit=limit, exclude=tuple(exclude))

    answer = predictor.rank(request, user=user)

    found = [item.item_id for item in answer.items]
    scores = [item.score for item in answer.items]
    assert not set(found) & set(exclude)
    assert len(found) == len(set(found)) == min(limit, 5 - len(set(exclude) - {"nowhere"}))
    assert scores == sorted(scores, reverse=True)
    assert predictor.rank(request, user=user) == answer


def test_a_snapshot_survives_the_way_through_bytes() -> None:
    before = snapshot()

    after = from_bytes(to_bytes(before))

    for name in ("factors", "is_warm", "embeddings", "popularity", "item_damping", "projection"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    for name in ("kind", "model_version", "version", "item_ids", "categories", "known", "newcomer", "fold_in"):
        assert getattr(after, name) == getattr(before, name)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"\x08" + b"\0" * 20])
def test_damaged_bytes_are_refused(damage: object) -> None:
    with pytest.raises(SnapshotError):
        from_bytes(damage(to_bytes(snapshot())))  # type: ignore[operator]
