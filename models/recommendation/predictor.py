"""Rank the items of a snapshot for one person. What the bento loads: numpy and nothing of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from models.recommendation.scoring import BlendWeights, FloatArray, IntArray, normalise_rows, top_k
from models.recommendation.snapshot import ItemSnapshot
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import RankedItem, RankingPath, RankRequest, RankResponse

NO_USER_VECTOR = "no_user_vector"
STALE_USER_VECTOR = "stale_user_vector"
FEATURES_UNAVAILABLE = "features_unavailable"
POPULARITY_CHAMPION = "popularity_champion"

_LIKE_YOU = "Neighbours who like what you like"
_POPULAR = "Popular right now"
_SIMILAR = {ItemKind.POST: "Similar to what you read", ItemKind.CONNECTOR: "Similar to what you have joined"}


@dataclass(frozen=True, slots=True)
class UserProfile:
    """What is known of a person at the moment of the request.

    Attributes:
        vector: (f,) factors under the snapshot's model version; None where there are none that may be used.
        content: (d,) what the person's past items read like, or None.
        affinity: weight of each category that the person cares for.
        recent_items: items of this kind taken up in the last hour, newest first.
        gap: why there is no vector, as a reason code.
    """

    vector: FloatArray | None = None
    content: FloatArray | None = None
    affinity: Mapping[str, float] = field(default_factory=dict)
    recent_items: tuple[str, ...] = ()
    gap: str = NO_USER_VECTOR


@dataclass(frozen=True, slots=True)
class _Terms:
    """The four terms of every item's score, weights applied, each (n,)."""

    collaborative: FloatArray
    content: FloatArray
    affinity: FloatArray
    popularity: FloatArray

    @property
    def total(self) -> FloatArray:
        return self.collaborative + self.content + self.affinity + self.popularity


class Predictor:
    """Answers from one snapshot; holds no state between requests and is safe to share between threads."""

    def __init__(self, snapshot: ItemSnapshot) -> None:
        """Keep ``snapshot``; a newer one needs a new predictor."""
        self.snapshot = snapshot

    def warm_up(self) -> None:
        """Compute what the first request would otherwise wait for."""
        _ = self.snapshot.row_of, self.snapshot.category_rows

    def rank(self, request: RankRequest, *, user: UserProfile) -> RankResponse:
        """Return at most ``request.limit`` items, best first, none of them excluded; fewer when there are no more.

        Excluded ids that are not in the snapshot are ignored. The answer is a function of its arguments.
        """
        path, reason_code = self._choose_path(user)
        terms = self._score(user, path=path)
        scores = terms.total.copy()
        row_of = self.snapshot.row_of
        excluded = [row_of[item_id] for item_id in request.exclude if item_id in row_of]
        scores[excluded] = -np.inf
        best = top_k(scores, k=request.limit) if len(scores) else np.empty(0, dtype=np.int64)
        best = best[np.isfinite(scores[best])]
        return RankResponse(
            items=self._explain(best, scores=scores, terms=terms),
            path=path,
            reason_code=reason_code,
            model_version=self.snapshot.model_version,
            snapshot_version=self.snapshot.version,
            features=_logged(user),
        )

    def _choose_path(self, user: UserProfile) -> tuple[RankingPath, str | None]:
        if not self.snapshot.is_personal:
            return RankingPath.POPULAR, POPULARITY_CHAMPION
        if user.vector is not None and user.vector.shape == (self.snapshot.factors.shape[1],):
            return RankingPath.COLLABORATIVE, None
        if self._content_of(user) is not None or self._affinity_of(user).any():
            return RankingPath.CONTENT, user.gap
        return RankingPath.POPULAR, user.gap

    def _score(self, user: UserProfile, *, path: RankingPath) -> _Terms:
        snapshot = self.snapshot
        nothing = np.zeros(len(snapshot.item_ids), dtype=np.float32)
        if path is RankingPath.POPULAR:
            return _Terms(nothing, nothing, nothing, snapshot.popularity)
        is_known = path is RankingPath.COLLABORATIVE and user.vector is not None
        weights: BlendWeights = snapshot.known if is_known else snapshot.newcomer
        content = self._content_of(user)
        return _Terms(
            collaborative=snapshot.factors @ user.vector if is_known and user.vector is not None else nothing,
            content=nothing if content is None else weights.content * (snapshot.embeddings @ content),
            affinity=weights.affinity * self._affinity_of(user)[snapshot.category_rows],
            popularity=weights.popularity * snapshot.popularity,
        )

    def _content_of(self, user: UserProfile) -> FloatArray | None:
        """Blend what the person's past reads like with the last hour; None where neither is known."""
        embeddings = self.snapshot.embeddings
        if embeddings.shape[1] == 0:
            return None
        blended: FloatArray = np.zeros(embeddings.shape[1], dtype=np.float32)
        if user.content is not None and user.content.shape == blended.shape:
            blended += normalise_rows(user.content)
        recent = self._rows(user.recent_items)
        if len(recent):
            blended += normalise_rows(embeddings[recent].mean(axis=0))
        return normalise_rows(blended) if blended.any() else None

    def _affinity_of(self, user: UserProfile) -> FloatArray:
        """Weight of every category, with the last hour counted in; one more place, zero, for items without one."""
        names = self.snapshot.category_names
        weights: FloatArray = np.zeros(len(names) + 1, dtype=np.float32)
        position = {name: row for row, name in enumerate(names)}
        for category, weight in user.affinity.items():
            if category in position:
                weights[position[category]] = weight
        recent = self._rows(user.recent_items)
        if len(recent):
            counts = np.bincount(self.snapshot.category_rows[recent], minlength=len(weights)).astype(np.float32)
            counts[-1] = 0.0
            fresh = counts / max(1.0, float(counts.sum()))
            weights = (weights + fresh) / 2 if weights.any() else fresh
        return weights

    def _rows(self, item_ids: tuple[str, ...]) -> IntArray:
        row_of = self.snapshot.row_of
        return np.array([row_of[item_id] for item_id in item_ids if item_id in row_of], dtype=np.int64)

    def _explain(self, best: IntArray, *, scores: FloatArray, terms: _Terms) -> list[RankedItem]:
        """Name the term that did most for each item."""
        snapshot = self.snapshot
        taste = terms.content + terms.affinity
        items = []
        for row in best.tolist():
            if taste[row] > max(terms.collaborative[row], terms.popularity[row]):
                by_category = terms.affinity[row] >= terms.content[row] and snapshot.categories[row]
                reason = f"Because you like {snapshot.categories[row]}" if by_category else _SIMILAR[snapshot.kind]
            else:
                reason = _LIKE_YOU if terms.collaborative[row] >= terms.popularity[row] else _POPULAR
                reason = _POPULAR if terms.collaborative[row] <= 0 else reason
            items.append(RankedItem(item_id=snapshot.item_ids[row], score=float(scores[row]), reason=reason))
        return items


def _logged(user: UserProfile) -> dict[str, object]:
    """What the prediction event keeps of the features: enough to explain the answer, no vectors."""
    strongest = sorted(user.affinity.items(), key=lambda pair: -pair[1])[:5]
    return {
        "has_vector": user.vector is not None,
        "has_content": user.content is not None,
        "affinity": dict(strongest),
        "recent_items": list(user.recent_items[:5]),
    }
