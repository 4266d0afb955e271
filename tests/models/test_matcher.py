"""Matcher: matches of one user, their reasons, and what must not be matched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import h3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.matching.evaluate import CONNECTORS, USERS
from models.matching.pair_features import USER_FEATURES, PairFeatures, with_vectors
from models.matching.predictor import Matcher
from models.matching.scorer import LogisticScorer
from models.matching.social_graph import SocialGraph, social_graph_of
from neighborconnect.contracts.matching import Match, MatchKind
from tests.models.sample_graphs import COMMUNITIES, HOME, USERS_EACH, community_graph, small_graph


@cache
def random_features(seed: int) -> PairFeatures:
    """A town of circles, whose people live here and there; what is a place to nobody comes as -1 and 0."""
    generator, n = np.random.default_rng(seed), COMMUNITIES * USERS_EACH
    cells = [0, *map(h3.str_to_int, h3.grid_disk(HOME, 3))]
    placed = replace(
        with_vectors(community_graph(seed=seed)),
        cities=generator.integers(-1, 2, n),
        neighborhoods=generator.integers(-1, 6, n),
        cells=generator.choice(np.array(cells[: int(generator.integers(2, len(cells)))]), n),
    )
    return PairFeatures(placed)


def matcher(graph: SocialGraph) -> Matcher:
    return Matcher(PairFeatures(with_vectors(graph)), USERS.heuristic, CONNECTORS.heuristic, "v1")


@given(seed=st.integers(0, 1_000))
def test_user_features_are_symmetric(seed: int) -> None:
    pair_features = random_features(seed % 5)
    left, right = np.random.default_rng(seed).integers(0, COMMUNITIES * USERS_EACH, 2)
    assert pair_features.user_features(int(left))[right] == pytest.approx(
        pair_features.user_features(int(right))[left], rel=1e-3, abs=1e-4
    )


def test_matches_have_the_reason_of_their_features() -> None:
    found = {one.key: one.reason for one in matcher(small_graph()).match("ada", MatchKind.USERS, limit=9).matches}
    assert found["cai"] in {"mutual_ties", "shared_interests", "lives_near", "neighbors"}
    assert found["dee"] in {"shared_connectors", "neighbors"}
    assert found["eve"] == "popular"
    assert not {"ada", "ben", "fay"} & set(found)


@dataclass(frozen=True)
class Drawn:
    """A matcher whose weights are anything, somebody of its town, and everybody's signs towards them."""

    matcher: Matcher
    person: int
    features: np.ndarray

    @classmethod
    def by(cls, seed: int) -> Drawn:
        generator, pair_features = np.random.default_rng(seed), random_features(seed % 5)
        how = LogisticScorer(USER_FEATURES, tuple(generator.normal(scale=0.5, size=len(USER_FEATURES))), bias=-1.0)
        person = int(generator.integers(COMMUNITIES * USERS_EACH))
        return cls(Matcher(pair_features, how, CONNECTORS.heuristic, "v1"), person, pair_features.user_features(person))

    @property
    def probabilities(self) -> np.ndarray:
        return self.matcher.users.probability(self.features)

    @property
    def strangers(self) -> np.ndarray:
        follows = self.matcher.pair_features.graph.follows
        return ~np.isin(np.arange(len(self.features)), [self.person, *follows[follows[:, 0] == self.person, 1]])

    def sign(self, name: str) -> np.ndarray:
        return self.features[:, USER_FEATURES.index(name)]

    def told(self, kind: MatchKind, *, limit: int) -> list[Match]:
        return list(self.matcher.match(f"p{self.person}", kind, limit=limit).matches)


@given(seed=st.integers(0, 1_000), limit=st.integers(1, 30))
def test_pruned_ranking_equals_full_ranking(seed: int, limit: int) -> None:
    sample_negatives = Drawn.by(seed)
    reasons = [
        sample_negatives.sign(name) > 0
        for name in ("common_neighbors", "shared_connectors", "locality", "cell_proximity")
    ]
    candidates = zip(
        np.any(reasons, axis=0)[sample_negatives.strangers],
        sample_negatives.probabilities[sample_negatives.strangers],
        strict=True,
    )
    expected = sorted(candidates, reverse=True)[:limit]
    told = sample_negatives.told(MatchKind.USERS, limit=limit)
    assert [one.score for one in told] == pytest.approx([probability for _, probability in expected], abs=1e-6)
    assert [one.reason != "popular" for one in told] == [reason for reason, _ in expected]


@given(seed=st.integers(0, 1_000), limit=st.integers(1, 60))
def test_pruned_proximity_equals_full_proximity(seed: int, limit: int) -> None:
    sample_negatives = Drawn.by(seed)
    near = np.maximum(sample_negatives.sign("cell_proximity"), 0.9 * sample_negatives.sign("locality"))
    expected = sorted(
        (near + 0.05 * sample_negatives.probabilities)[sample_negatives.strangers & (near > 0)], reverse=True
    )[:limit]
    told = sample_negatives.told(MatchKind.PROXIMITY, limit=limit)
    assert [one.score for one in told] == pytest.approx(expected, abs=1e-6)


def test_proximity_is_by_cell_and_needs_a_known_home() -> None:
    answer = matcher(small_graph()).match("ben", MatchKind.PROXIMITY, limit=9)
    assert [(one.key, one.reason) for one in answer.matches] == [("ada", "same_area"), ("dee", "same_city")]


def test_closed_connectors_are_not_matched() -> None:
    found = {one.key: one.reason for one in matcher(small_graph()).match("ada", MatchKind.COMMUNITIES, limit=9).matches}
    assert found == {"bakers": "people_you_follow"}


def test_group_score_is_the_mean_over_its_users() -> None:
    found = matcher(with_vectors(community_graph()))

    def of(person: str, *others: str) -> list[tuple[int, str]]:
        answer = found.match(person, MatchKind.COMMUNITIES, limit=4, with_user_ids=others)
        return [(int(one.key[1:]) // 3, one.reason) for one in answer.matches]

    # Alone what is near to one's own circle comes first; with two of another circle, what is near to theirs.
    assert of("p0")[0] == (0, "people_you_follow")
    assert of("p0", "p199", "p198")[0] == (7, "fits_your_friends")
    assert of("p0", "nobody") == of("p0")


def test_rare_interests_are_not_matched() -> None:
    found = {one.key: one.reason for one in matcher(small_graph()).match("ada", MatchKind.INTERESTS, limit=9).matches}
    assert found == {"bread": "goes_with_your_interests"}


def test_user_without_data_gets_popular_matches() -> None:
    found = matcher(small_graph())
    for kind in (MatchKind.USERS, MatchKind.COMMUNITIES, MatchKind.INTERESTS):
        matches = found.match("eve", kind, limit=2).matches
        assert matches
        assert {one.reason for one in matches} == {"popular"}
    assert found.match("eve", MatchKind.PROXIMITY, limit=2).matches == []
    assert all(found.match("nobody", kind, limit=2).matches == [] for kind in MatchKind)


def test_pair_scores_are_symmetric_for_known_users() -> None:
    asked = matcher(community_graph())
    users = ["p0", "p1", "p30"]
    there, back = asked.pairs(users, ["p2", "p60", "nobody"]), asked.pairs(["p2", "p60"], users)
    assert {(one.user_id, one.with_user_id) for one in there.pairs} == {(a, b) for a in users for b in ("p2", "p60")}
    turned = {(one.with_user_id, one.user_id): one.score for one in back.pairs}
    for one in there.pairs:
        assert one.score == pytest.approx(turned[one.user_id, one.with_user_id], abs=1e-4)
    scores = {(one.user_id, one.with_user_id): one.score for one in there.pairs}
    assert scores["p1", "p2"] > scores["p30", "p2"]
    assert asked.pairs(["nobody"], users).pairs == asked.pairs(users, ["nobody"]).pairs == []
    assert len(asked.pairs(users, users).pairs) == 6


def test_warm_up_computes_all_cached_properties() -> None:
    matching = matcher(small_graph())
    matching.warm_up()
    made = set(vars(matching)), set(vars(matching.pair_features))
    for kind in MatchKind:
        matching.match(matching.pair_features.graph.users[1], kind, limit=5)
    assert (set(vars(matching)), set(vars(matching.pair_features))) == made
    assert {"_row_of", "_follows"} <= made[0]


def test_a_town_without_people_is_warm_at_once() -> None:
    matcher(social_graph_of(users=())).warm_up()
