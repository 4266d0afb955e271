"""Predictor: rankings of one item index."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommendation.predictor import POPULARITY_CHAMPION, STALE_USER_VECTOR, Predictor, UserProfile
from models.recommendation.scoring import BlendWeights, normalize_rows
from models.recommendation.serving_artifact import FoldIn, ItemIndex, ItemIndexError, from_bytes, to_bytes
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import Hidden, Muted, RankedItem, RankingPath, RankRequest

CATEGORIES = ("gardening", "gardening", "running", "running", "")


def index() -> ItemIndex:
    return ItemIndex(
        kind=ItemKind.POST,
        model_version="post-abc",
        version="20260301T000000000000Z",
        item_ids=("soil", "roses", "trail", "shoes", "plain"),
        factors=np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [0, 0]], dtype=np.float32),
        is_warm=np.array([True, False, True, True, False]),
        embeddings=normalize_rows(
            np.array([[1, 0, 0], [1, 0.1, 0], [0, 1, 0], [0, 1, 0.1], [0, 0, 0]], dtype=np.float32)
        ),
        popularity=np.array([0.1, 0.2, 1.0, 0.4, 0.3], dtype=np.float32),
        item_damping=np.ones(5, dtype=np.float32),
        projection=np.zeros((3, 2), dtype=np.float32),
        categories=CATEGORIES,
        warm_user=BlendWeights(popularity=0.1, content=0.1, affinity=0.1),
        cold_user=BlendWeights(popularity=0.1, content=0.5, affinity=1.0),
        fold_in=FoldIn(alpha=4.0, regularization=1.0, damping=0.25),
        popularity_half_life_days=7.0,
    )


def ask(*, limit: int = 5, exclude: tuple[str, ...] = ()) -> RankRequest:
    return RankRequest(request_id="r", user_id="u", item_kind=ItemKind.POST, limit=limit, exclude=list(exclude))


def codes(item: RankedItem) -> list[str]:
    return [reason.code for reason in item.reasons]


GARDENER = UserProfile(vector=np.array([1.0, 0.0], dtype=np.float32))


def order(user: UserProfile, request: RankRequest | None = None) -> list[str]:
    return [item.item_id for item in Predictor(index()).rank(request or ask(), user=user).items]


def test_muted_categories_and_connectors_are_left_out() -> None:
    predictor = Predictor(replace(index(), connectors=("a", "b", "c", "d", "")))
    muted = Muted(categories=["gardening", "music"], connectors=["d", "e"])
    answer = predictor.rank(ask().model_copy(update={"muted": muted}), user=GARDENER)
    assert {item.item_id for item in answer.items} == {"trail", "plain"}


def test_a_person_with_a_vector_is_ranked_by_it() -> None:
    answer = Predictor(index()).rank(ask(limit=2), user=GARDENER)

    assert answer.path is RankingPath.COLLABORATIVE
    assert answer.reason_code is None
    assert [item.item_id for item in answer.items] == ["soil", "roses"]
    # Nobody has acted on the cold item.
    assert [codes(item) for item in answer.items] == [["neighbors_like_you"], ["resembles_neighbors_likes"]]
    assert answer.model_version == "post-abc"


def test_a_newcomer_with_one_like_gets_similar_items_and_reasons() -> None:
    answer = Predictor(index()).rank(ask(limit=2), user=UserProfile(affinity={"gardening": 1.0}))

    assert answer.path is RankingPath.CONTENT
    assert answer.reason_code == "no_user_vector"
    assert {item.item_id for item in answer.items} == {"soil", "roses"}
    assert {(reason.code, reason.category) for item in answer.items for reason in item.reasons} == {
        ("category_you_like", "gardening")
    }


def test_the_answer_says_until_when_items_are_indexed() -> None:
    dated = replace(
        index(), created_at=np.array([85_800.0, 86_400.0, np.nan, 85_799.0, 9.0]), authors=np.zeros(5, dtype=np.int64)
    )
    answer = Predictor(dated).rank(ask(limit=1), user=GARDENER)
    assert answer.indexed_until == datetime(1970, 1, 2, tzinfo=UTC)
    assert answer.just_indexed == [dated.item_ids[1], dated.item_ids[0]]
    undated = Predictor(index()).rank(ask(), user=GARDENER)
    assert (undated.indexed_until, undated.just_indexed) == (None, [])


def reasons(user: UserProfile, *, of: ItemIndex | None = None, liked: tuple[str, ...] = ()) -> dict[str, list[str]]:
    request = ask().model_copy(update={"liked": list(liked)})
    return {item.item_id: codes(item) for item in Predictor(of or index()).rank(request, user=user).items}


def test_a_category_of_tiny_weight_explains_nothing() -> None:
    # Of many categories, each has more weight than the mean.
    several = replace(index(), categories=("gardening", "opera", "running", "chess", ""))
    weak = reasons(UserProfile(affinity={"gardening": 0.85, "running": 0.15}), of=several)

    assert weak["soil"] == ["category_you_like"]
    assert weak["trail"] == weak["shoes"] == ["popular"]
    strong = reasons(UserProfile(affinity={"gardening": 0.6, "running": 0.4}), of=several)
    assert strong["trail"] == ["category_you_like", "popular"]


def test_only_the_most_popular_third_is_called_popular() -> None:
    assert reasons(UserProfile()) == {
        "trail": ["popular"],
        "shoes": ["popular"],
        "plain": ["new_for_you"],
        "roses": ["new_for_you"],
        "soil": ["new_for_you"],
    }


def test_a_stated_interest_of_tiny_weight_is_called_an_interest() -> None:
    user = UserProfile(affinity={"gardening": 0.97, "running": 0.03}, evidence=1_000.0, stated_interests=("RUNNING",))
    unpopular = replace(index(), popularity=np.zeros(5, dtype=np.float32))

    explained = reasons(user, of=unpopular)

    assert explained["trail"] == explained["shoes"] == ["of_your_interests"]
    assert explained["soil"] == ["category_you_like"]


def test_recent_like_counts_before_features_are_computed() -> None:
    assert order(UserProfile(recent_items=("roses",)), ask(limit=1)) == ["soil"]


def test_a_like_does_not_lift_its_own_post() -> None:
    before = Predictor(index()).scores(UserProfile(recent_items=("soil",)))
    after = Predictor(index()).scores(UserProfile(recent_items=("soil", "roses")))

    soil, roses = 0, 1
    assert after[roses] <= before[roses]
    assert after[soil] > before[soil]


def test_a_hidden_subject_goes_down() -> None:
    hidden = Hidden(categories={"gardening": 3.0})
    before = Predictor(index()).rank(ask(), user=GARDENER).items
    after = Predictor(index()).rank(ask().model_copy(update={"hidden": hidden}), user=GARDENER).items

    assert before[0].item_id == after[0].item_id == "soil"
    assert after[0].score < 0.5 * before[0].score


def test_nobody_known_gets_what_is_popular() -> None:
    answer = Predictor(index()).rank(ask(), user=UserProfile(missing_vector_reason=STALE_USER_VECTOR))

    assert answer.path is RankingPath.POPULAR
    assert answer.reason_code == STALE_USER_VECTOR
    assert [item.item_id for item in answer.items] == ["trail", "shoes", "plain", "roses", "soil"]


def test_a_vector_of_another_model_is_not_used() -> None:
    answer = Predictor(index()).rank(ask(), user=UserProfile(vector=np.ones(7, dtype=np.float32)))

    assert answer.path is RankingPath.POPULAR


def test_the_popularity_champion_says_so() -> None:
    nobody = replace(index(), factors=np.zeros((5, 0), dtype=np.float32))

    answer = Predictor(nobody).rank(ask(), user=GARDENER)

    assert (answer.path, answer.reason_code) == (RankingPath.POPULAR, POPULARITY_CHAMPION)


def test_a_cold_item_competes_by_the_factors_its_text_foretells() -> None:
    assert order(GARDENER)[:2] == ["soil", "roses"]
    assert not index().is_warm[1]


@settings(max_examples=60)
@given(
    exclude=st.lists(st.sampled_from(["soil", "roses", "trail", "shoes", "plain", "nowhere"]), max_size=6),
    limit=st.integers(1, 10),
    user=st.sampled_from([GARDENER, UserProfile(), UserProfile(affinity={"running": 0.7, "opera": 0.3})]),
)
def test_an_answer_is_ordered_masked_and_deterministic(exclude: list[str], limit: int, user: UserProfile) -> None:
    predictor, request = Predictor(index()), ask(limit=limit, exclude=tuple(exclude))

    answer = predictor.rank(request, user=user)

    found = [item.item_id for item in answer.items]
    scores = [item.score for item in answer.items]
    assert not set(found) & set(exclude)
    assert len(found) == len(set(found)) == min(limit, 5 - len(set(exclude) - {"nowhere"}))
    assert scores == sorted(scores, reverse=True)
    assert predictor.rank(request, user=user) == answer


def test_item_index_round_trips() -> None:
    before = index()

    after = from_bytes(to_bytes(before))

    for name in ("factors", "is_warm", "embeddings", "popularity", "item_damping", "projection"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    for name in ("kind", "model_version", "version", "item_ids", "categories", "warm_user", "cold_user", "fold_in"):
        assert getattr(after, name) == getattr(before, name)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"\x08" + b"\0" * 20])
def test_damaged_bytes_are_refused(damage: object) -> None:
    with pytest.raises(ItemIndexError):
        from_bytes(damage(to_bytes(index())))  # type: ignore[operator]
