"""Explanation of scores: parts are exact, and a reason is given only for what is true."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommendation.explanation import MIN_CONTENT_SIMILARITY, ScoreParts
from models.recommendation.predictor import Predictor, UserProfile
from models.recommendation.scoring import BlendWeights, normalize_rows
from models.recommendation.serving_artifact import FoldIn, ItemIndex
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import RankedItem, RankRequest
from neighborconnect.feed.reasons import MAX_REASONS, MIN_SHARE, ReasonCode

CATEGORIES = ("gardening", "running", "music", "books", "")
COUNT, FACTORS, WIDTH = 30, 4, 6


def index_of(seed: int, *, kind: ItemKind = ItemKind.POST) -> ItemIndex:
    draw = np.random.default_rng(seed)
    return ItemIndex(
        kind=kind,
        model_version="post-abc",
        version="20260301T000000000000Z",
        item_ids=tuple(f"i{row}" for row in range(COUNT)),
        factors=draw.normal(scale=0.3, size=(COUNT, FACTORS)).astype(np.float32),
        is_warm=draw.random(COUNT) < 0.8,
        embeddings=normalize_rows(draw.normal(size=(COUNT, WIDTH)).astype(np.float32)),
        popularity=draw.random(COUNT).astype(np.float32),
        item_damping=np.ones(COUNT, dtype=np.float32),
        projection=np.zeros((WIDTH, FACTORS), dtype=np.float32),
        categories=CATEGORIES * (COUNT // len(CATEGORIES)),
        warm_user=BlendWeights(popularity=0.3, content=0.5, affinity=0.8),
        cold_user=BlendWeights(popularity=0.1, content=0.5, affinity=1.0),
        fold_in=FoldIn(alpha=4.0, regularization=1.0, damping=0.25),
        popularity_half_life_days=7.0,
    )


def user_of(seed: int) -> UserProfile:
    """Return a user with a vector, two categories of acts and two interests, so that one can be taken away."""
    draw = np.random.default_rng(seed)
    liked, interests = draw.permutation(CATEGORIES[:4])[:2], draw.permutation(CATEGORIES[:4])[:2]
    weight = float(draw.uniform(0.1, 0.9))
    return UserProfile(
        vector=draw.normal(size=FACTORS).astype(np.float32),
        content=draw.normal(size=WIDTH).astype(np.float32),
        affinity={str(liked[0]): weight, str(liked[1]): 1 - weight},
        evidence=float(draw.uniform(1, 100)),
        stated_interests=tuple(map(str, interests)),
    )


def parts_of(index: ItemIndex, user: UserProfile) -> ScoreParts:
    predictor = Predictor(index)
    return predictor._score(user, path=predictor._choose_path(user)[0])


def rank(index: ItemIndex, user: UserProfile, **request: object) -> list[RankedItem]:
    asked = RankRequest(request_id="r", user_id="u", item_kind=index.kind, limit=COUNT)
    return Predictor(index).rank(asked.model_copy(update=request), user=user).items


SEEDS = st.integers(0, 10_000)


@settings(max_examples=50)
@given(seed=SEEDS, excluded=st.sets(st.integers(0, COUNT - 1), max_size=COUNT - 1))
def test_contributions_sum_to_the_score(seed: int, excluded: set[int]) -> None:
    index, user = index_of(seed), user_of(seed)
    candidates = np.array(sorted(set(range(COUNT)) - excluded))

    contributions = parts_of(index, user).contributions(candidates, candidates=candidates)

    scores = Predictor(index).scores(user).astype(np.float64)[candidates]
    assert sum(contributions.values()) == pytest.approx(scores - scores.mean(), abs=1e-6)
    assert all(abs(values.mean()) < 1e-6 for values in contributions.values())


def test_the_score_is_the_published_formula() -> None:
    index, user = index_of(3), user_of(3)
    weights, prior = index.warm_user, 12.0
    assert user.vector is not None
    assert user.content is not None
    assert user.evidence is not None
    content = index.embeddings @ normalize_rows(user.content)
    affinity = np.array([
        (user.evidence * user.affinity.get(name, 0.0) + prior * (name in user.stated_interests) / 2)
        / (user.evidence + prior)
        for name in index.categories
    ])  # fmt: skip
    expected = index.factors @ user.vector + weights.content * content + weights.affinity * affinity
    assert Predictor(index).scores(user) == pytest.approx(expected + weights.popularity * index.popularity, abs=1e-5)


@settings(max_examples=50)
@given(seed=SEEDS, row=st.integers(0, COUNT - 1), part=st.sampled_from([one.name for one in fields(ScoreParts)]))
def test_without_a_feature_the_score_falls_by_its_part(seed: int, row: int, part: str) -> None:
    index, user = index_of(seed), user_of(seed)
    category = index.categories[row]
    less, lesser = index, user
    match part:
        case "collaborative":
            lesser = replace(user, vector=np.zeros(FACTORS, dtype=np.float32))
        case "content":
            lesser = replace(user, content=None)
        case "acts":
            lesser = replace(user, affinity={name: user.affinity[name] for name in user.affinity if name != category})
        case "stated":
            others = tuple(name for name in user.stated_interests if name != category)
            lesser = replace(user, stated_interests=others)
        case "popularity":
            unpopular = index.popularity.copy()
            unpopular[row] = 0.0
            less = replace(index, popularity=unpopular)

    stated = float(getattr(parts_of(index, user), part)[row])
    moved = float(Predictor(index).scores(user)[row]) - float(Predictor(less).scores(lesser)[row])

    assert moved == pytest.approx(stated, abs=1e-6)


@settings(max_examples=50)
@given(seed=SEEDS, kind=st.sampled_from([ItemKind.POST, ItemKind.CONNECTOR]))
def test_reasons_are_few_strong_and_ordered(seed: int, kind: ItemKind) -> None:
    index, user = index_of(seed, kind=kind), user_of(seed)
    liked = [f"i{row}" for row in range(0, COUNT, 5)]
    for item in rank(index, user, liked=liked, exclude=liked):
        shares = [reason.share for reason in item.reasons]
        codes = [reason.code for reason in item.reasons]
        assert 1 <= len(item.reasons) <= MAX_REASONS
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1 + 1e-9
        assert codes == ["new_for_you"] or min(shares) >= MIN_SHARE
        assert set(codes) <= set(ReasonCode)
        row = index.row_of[item.item_id]
        for reason in item.reasons:
            assert reason.item_id is None or reason.item_id in liked
            assert reason.category in {None, index.categories[row]}
            if reason.code == ReasonCode.CATEGORY_YOU_LIKE:
                assert reason.category in user.affinity
            if reason.code == ReasonCode.OF_YOUR_INTERESTS:
                assert reason.category in user.stated_interests
            if reason.code in {ReasonCode.ALSO_LIKED, ReasonCode.ALSO_JOINED, ReasonCode.NEIGHBORS_LIKE_YOU}:
                assert index.is_warm[row]
            if reason.code in {ReasonCode.BECAUSE_YOU_LIKED, ReasonCode.SIMILAR_TO_JOINED}:
                similar = index.embeddings[[index.row_of[one] for one in liked]] @ index.embeddings[row]
                assert similar.max() >= MIN_CONTENT_SIMILARITY
                assert reason.item_id == liked[int(similar.argmax())]


def by_text_alone(kind: ItemKind) -> ItemIndex:
    return replace(
        index_of(1, kind=kind),
        factors=np.zeros((COUNT, 0), dtype=np.float32),
        embeddings=np.repeat(np.eye(WIDTH, dtype=np.float32), COUNT // WIDTH, axis=0),
        extra={"variant": "content"},
    )


@pytest.mark.parametrize(
    ("kind", "code", "without"),
    [
        (ItemKind.POST, "because_you_liked", "similar_to_read"),
        (ItemKind.CONNECTOR, "similar_to_joined", "similar_to_yours"),
    ],
)
def test_the_closest_liked_item_is_the_reference(kind: ItemKind, code: str, without: str) -> None:
    user = UserProfile(content=np.eye(WIDTH, dtype=np.float32)[0])
    # Rows 0 to 4 have the same text; row 29 has another one.
    liked = ["i29", "i3", "i4"]
    first = rank(by_text_alone(kind), user, liked=liked, exclude=liked)[0]
    assert first.item_id in {"i0", "i1", "i2"}
    assert (first.reasons[0].code, first.reasons[0].item_id) == (code, "i3")
    # An item that is not like the ranked one is no reference.
    other = rank(by_text_alone(kind), user, liked=["i29"], exclude=["i29"])[0]
    assert (other.reasons[0].code, other.reasons[0].item_id) == (without, None)


def test_the_reference_does_not_change_the_ranking() -> None:
    index, user = index_of(5), user_of(5)
    bare, with_liked = rank(index, user), rank(index, user, liked=["i1", "i2"])
    assert [(one.item_id, one.score) for one in bare] == [(one.item_id, one.score) for one in with_liked]
