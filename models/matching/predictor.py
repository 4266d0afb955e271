"""Matches of one user: users, connectors and interests ranked over one social graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np

from models.matching.pair_features import EMBEDDING_FEATURES, FeatureMatrix, PairFeatures, Weights, spread, where
from models.matching.scorer import LogisticScorer, sigmoid
from models.matching.social_graph import BoolArray, IntArray
from neighborconnect.contracts.matching import Match, MatchKind, MatchResponse, Pair, PairsResponse

USERS, CONNECTORS = "user", "connector"
MODEL_FILE = "model.json"
POPULAR = "popular"
_FITS_OTHERS = "fits_your_friends"
# For each reason code: the feature that must be positive, and the features whose contributions are summed.
_USER_REASONS = {
    "mutual_ties": (
        "common_neighbors",
        ("common_neighbors", "adamic_adar", "resource_allocation", "random_walk", "edge_vectors"),
    ),
    "shared_connectors": ("shared_connectors", ("shared_connectors", "connector_overlap", "membership_vectors")),
    "shared_interests": ("shared_interests", ("shared_interests",)),
    "neighbors": ("locality", ("locality", "cell_proximity")),
    "lives_near": ("cell_proximity", ("locality", "cell_proximity")),
}
_CONNECTOR_REASONS = {
    "people_you_follow": ("followed_members", ("followed_members", "followed_members_share")),
    "like_your_connectors": ("co_membership", ("co_membership", "membership_vectors")),
    "your_interests": ("category_interest", ("category_interest",)),
    "neighbors": ("local_members", ("local_members",)),
}
_MIN_USERS = 3
"""k-anonymity threshold: an interest of fewer users could identify them."""
_SEMANTIC_WEIGHT = 0.5
_SAME_LOCALITY, _NEXT_AREA = 0.9, 0.5
"""Proximity of the same neighborhood (of the same city half as much), and of a neighboring cell.
Values above the latter are of the same cell or neighborhood, and rank before all others."""
_FIT = 0.05
"""Weight of the match probability among users of equal proximity."""
_FIRST = 1e6
"""Added to candidates with a reason, so that merely popular ones rank after them."""


@dataclass(frozen=True)
class Matcher:
    """Scorers of one model version over one social graph; thread-safe."""

    pair_features: PairFeatures
    users: LogisticScorer
    connectors: LogisticScorer
    model_version: str
    graph_published_at: datetime | None = None

    def warm_up(self) -> None:
        """Compute cached properties before the first request: half a second for a large graph."""
        for kind in MatchKind if self.pair_features.graph.users else ():
            self.match(self.pair_features.graph.users[0], kind, limit=1)

    def match(self, user_id: str, kind: MatchKind, *, limit: int, with_user_ids: Sequence[str] = ()) -> MatchResponse:
        """Return matches by descending score; none for a user who is not in the graph.

        Args:
            user_id: the user.
            kind: kind of candidates.
            limit: maximum number of matches.
            with_user_ids: other users of the group that connectors are matched for; unknown ones are ignored.
        """
        user = self._row_of.get(user_id)
        if user is None:
            matches = []
        elif kind is MatchKind.COMMUNITIES:
            others = [row for other in with_user_ids if (row := self._row_of.get(other)) is not None]
            matches = self._communities(user, limit, others=others)
        else:
            answer = {
                MatchKind.USERS: self._users,
                MatchKind.INTERESTS: self._interests,
                MatchKind.PROXIMITY: self._proximity,
            }[kind]
            matches = answer(user, limit)
        return MatchResponse(model_version=self.model_version, features_age_ms=self._features_age_ms(), matches=matches)

    def pairs(self, user_ids: Sequence[str], with_user_ids: Sequence[str]) -> PairsResponse:
        """Score each user of the first set with each of the second, where both are in the graph."""
        others = {one: row for one in with_user_ids if (row := self._row_of.get(one)) is not None}
        rows = np.array(list(others.values()), dtype=np.int64)
        found = []
        for user_id in user_ids if others else ():
            if (user := self._row_of.get(user_id)) is None:
                continue
            features = self.pair_features.features_of(user, rows)
            scores, reasons = self.users.probability(features), _reasons(features, self.users, _USER_REASONS)
            found += [
                Pair(user_id=user_id, with_user_id=other, score=float(score), reason=str(reason))
                for other, score, reason in zip(others, scores, reasons, strict=True)
                if other != user_id
            ]
        return PairsResponse(model_version=self.model_version, features_age_ms=self._features_age_ms(), pairs=found)

    def _features_age_ms(self) -> int | None:
        if self.graph_published_at is None:
            return None
        return max(0, (datetime.now(UTC) - self.graph_published_at) // timedelta(milliseconds=1))

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {user_id: row for row, user_id in enumerate(self.pair_features.graph.users)}

    @cached_property
    def _follows(self) -> tuple[IntArray, IntArray]:
        """Follows in CSR form: (n + 1,) offsets by follower, and followees."""
        follows = self.pair_features.graph.follows
        order = np.argsort(follows[:, 0], kind="stable")
        begins = np.searchsorted(follows[order, 0], np.arange(len(self.pair_features.graph.users) + 1))
        return begins, follows[order, 1]

    @cached_property
    def _embedding_bound(self) -> float:
        """Maximum change of the log odds by the embedding features, which are between -1 and 1."""
        return sum(abs(self.users.weights[self.users.features.index(name)]) for name in EMBEDDING_FEATURES)

    def _not_followed(self, user: int) -> BoolArray:
        """Return the mask of users other than the user and their followees."""
        begins, followees = self._follows
        found = np.ones(len(self.pair_features.graph.users), dtype=bool)
        found[followees[begins[user] : begins[user + 1]]] = False
        found[user] = False
        return found

    def _users(self, user: int, limit: int) -> list[Match]:
        features = self.pair_features.cheap_features(user)
        has_reason = _has_reason(features, self.users, _USER_REASONS)
        worth = self.users.log_odds(features) + _FIRST * has_reason
        rows = np.flatnonzero(self._not_followed(user))
        rows = rows[_prune(*self._with_vectors(worth[rows]), limit=limit)]
        features = self.pair_features.with_embedding_features(user, features[rows], rows)
        best = _best(self.users.log_odds(features) + _FIRST * has_reason[rows], limit=limit)
        scores, reasons = self.users.probability(features[best]), _reasons(features[best], self.users, _USER_REASONS)
        return _named(self.pair_features.graph.users, rows[best], scores, reasons)

    def _proximity(self, user: int, limit: int) -> list[Match]:
        cell, locality = self.pair_features.cell_proximity(user), self.pair_features.locality(user)
        near, candidates = np.maximum(cell, _SAME_LOCALITY * locality), self._not_followed(user)
        rows = np.flatnonzero(candidates & (near > _NEXT_AREA))
        if len(rows) < limit:
            rows = np.flatnonzero(candidates & (near > 0))
        rows = rows[_prune(near[rows], near[rows] + _FIT, limit=limit)]
        # Users of equal proximity are ordered by match probability.
        features = self.pair_features.cheap_features(user, rows)
        least, most = map(sigmoid, self._with_vectors(self.users.log_odds(features)))
        could = _prune(near[rows] + _FIT * least, near[rows] + _FIT * most, limit=limit)
        rows, features = rows[could], self.pair_features.with_embedding_features(user, features[could], rows[could])
        scores = near[rows] + _FIT * self.users.probability(features)
        best = _best(scores, limit=limit)
        rows, scores = rows[best], scores[best]
        cell, locality = cell[rows], locality[rows]
        reasons = np.select(
            [cell == 1, locality == 1, cell > 0], ["same_area", "same_neighborhood", "next_area"], "same_city"
        )
        return _named(self.pair_features.graph.users, rows, scores, reasons)

    def _with_vectors(self, log_odds: Weights) -> tuple[Weights, Weights]:
        """Return bounds of the log odds with ``EMBEDDING_FEATURES``, from the log odds without."""
        return log_odds - self._embedding_bound, log_odds + self._embedding_bound

    def _communities(self, user: int, limit: int, *, others: Sequence[int] = ()) -> list[Match]:
        """Match connectors; a group's score is the mean over its users, and the user's own reasons take precedence."""
        features = self.pair_features.connector_features(user)
        probabilities, reasons = (
            [self.connectors.probability(features)],
            _reasons(features, self.connectors, _CONNECTOR_REASONS),
        )
        for other in others:
            theirs = self.pair_features.connector_features(other)
            probabilities.append(self.connectors.probability(theirs))
            fits = _reasons(theirs, self.connectors, _CONNECTOR_REASONS) != POPULAR
            reasons = np.where((reasons == POPULAR) & fits, _FITS_OTHERS, reasons)
        eligible = self.pair_features.graph.is_open.copy()
        eligible[self.pair_features.row(self.pair_features.members, user)] = False
        scores: Weights = np.mean(probabilities, axis=0)
        return _best_named(self.pair_features.graph.connectors, scores, reasons, eligible=eligible, limit=limit)

    def _interests(self, user: int, limit: int) -> list[Match]:
        pair_features, graph = self.pair_features, self.pair_features.graph
        liked, neighbors, joined = (
            pair_features.row(matrix, user)
            for matrix in (pair_features.likes, pair_features.adjacency, pair_features.members)
        )
        number = np.diff(pair_features.liked_by.indptr)
        common = np.sqrt(np.maximum(number, 1))
        alike = spread(pair_features.liked_by, liked, 1 / common[liked])
        together = spread(pair_features.members_of, joined, 1 / np.sqrt(np.maximum(pair_features.sizes, 1))[joined])
        alike[user] = together[user] = 0
        sources = {
            "goes_with_your_interests": self._weighted_likes(alike) / common
            + _SEMANTIC_WEIGHT * self._semantic_similarity(liked),
            "people_you_know": spread(pair_features.likes, neighbors, np.ones(len(neighbors))) / common,
            "people_in_your_connectors": self._weighted_likes(together) / common,
        }
        parts = np.stack([_scaled(values) for values in sources.values()])
        reasons = np.where(parts.max(axis=0) > 0, np.array(list(sources))[parts.argmax(axis=0)], POPULAR)
        eligible = number >= _MIN_USERS
        eligible[liked] = False
        scores = parts.sum(axis=0) + 0.01 * _scaled(number.astype(np.float64))
        return _best_named(graph.interests, scores, reasons, eligible=eligible, limit=limit)

    def _weighted_likes(self, weights: Weights) -> Weights:
        rows = where(weights)
        return spread(self.pair_features.likes, rows, weights[rows])

    def _semantic_similarity(self, liked: IntArray) -> Weights:
        """Return the highest cosine similarity of each interest's name to an interest of the user."""
        vectors = self.pair_features.graph.interest_vectors
        if not len(liked) or not vectors.shape[1]:
            return np.zeros(len(vectors))
        found: Weights = np.maximum((vectors @ vectors[liked].T).max(axis=1), 0).astype(np.float64)
        return found


def _scaled(values: Weights) -> Weights:
    most = values.max(initial=0.0)
    return values / most if most > 0 else values


def _has_reason(
    features: FeatureMatrix, scorer: LogisticScorer, known: Mapping[str, tuple[str, tuple[str, ...]]]
) -> BoolArray:
    """Return whether each row has any reason, which is much cheaper than the reason itself."""
    found: BoolArray = np.logical_or.reduce(
        [features[:, scorer.features.index(must)] > 0 for must, _ in known.values()]
    )
    return found


def _reasons(
    features: FeatureMatrix, scorer: LogisticScorer, known: Mapping[str, tuple[str, tuple[str, ...]]]
) -> IntArray:
    """Return the applicable reason with the largest contribution of each row."""
    shares = []
    for must, counted in known.values():
        places = [scorer.features.index(name) for name in counted]
        counts = features[:, places] @ np.array([scorer.weights[row] for row in places])
        shares.append(np.where(features[:, scorer.features.index(must)] > 0, counts, -np.inf))
    found = np.stack(shares)
    return np.where(np.isfinite(found.max(axis=0)), np.array(list(known))[found.argmax(axis=0)], POPULAR)


def _prune(lower: Weights, upper: Weights, *, limit: int) -> IntArray:
    """Return the rows that can be among the ``limit`` best, given lower and upper bounds of their scores."""
    if len(lower) <= limit:
        return np.arange(len(lower))
    return np.flatnonzero(upper >= np.partition(lower, -limit)[-limit])


def _best(worth: Weights, *, limit: int) -> IntArray:
    """Return the rows of the ``limit`` highest scores, best first."""
    best = np.argpartition(-worth, limit)[:limit] if len(worth) > limit else np.arange(len(worth))
    found: IntArray = best[np.argsort(-worth[best], kind="stable")]
    return found


def _best_named(
    names: tuple[str, ...], scores: Weights, reasons: IntArray, *, eligible: BoolArray, limit: int
) -> list[Match]:
    """Return the best eligible candidates; merely popular ones rank after those with a reason."""
    rows = np.flatnonzero(eligible)
    rows = rows[_best(scores[rows] + _FIRST * (reasons[rows] != POPULAR), limit=limit)]
    return _named(names, rows, scores[rows], reasons[rows])


def _named(names: tuple[str, ...], rows: IntArray, scores: Weights, reasons: IntArray) -> list[Match]:
    """Return the matches of ``rows``; scores and reasons are in the same order."""
    return [
        Match(key=names[row], score=float(score), reason=str(reason))
        for row, score, reason in zip(rows, scores, reasons, strict=True)
    ]
