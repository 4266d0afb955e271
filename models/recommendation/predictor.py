"""Ranking of an item index for one user. Imported by the service: numpy, and no training code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from models.recommendation.explanation import ScoreParts, Taste, explain
from models.recommendation.pages import Row, page_of
from models.recommendation.response_items import STATED_WEIGHT, ResponseItems
from models.recommendation.scoring import (
    BlendWeights,
    FloatArray,
    IntArray,
    evidence_of,
    normalize_rows,
    split_stated_interests,
)
from models.recommendation.serving_artifact import ItemIndex
from neighborconnect.contracts.serving import SERVED_ROWS, Muted, RankedItem, RankingPath, RankRequest, RankResponse
from neighborconnect.feed.interests import category_key
from neighborconnect.feed.policy import ranking_policy
from neighborconnect.feed.reranking import Dislikes

NO_USER_VECTOR = "no_user_vector"
STALE_USER_VECTOR = "stale_user_vector"
FEATURES_UNAVAILABLE = "features_unavailable"
POPULARITY_CHAMPION = "popularity_champion"

# Weight of an interaction of the last hour, whose kind is unknown: between a click and a like.
_RECENT_EVIDENCE = 2.0


@dataclass(frozen=True, slots=True)
class UserProfile:
    """Features of a user at the time of a request.

    Attributes:
        vector: (f,) factors under the index's model version; None without fresh factors.
        content: (d,) mean text embedding of the user's items, or None.
        affinity: weight of each category by the user's interactions.
        evidence: interaction weight behind ``affinity``; None for rows without it.
        stated_interests: interests that the user stated.
        recent_items: items of this kind that the user engaged with in the last hour, newest first.
        missing_vector_reason: reason code for a missing vector.
        features_age_ms: age of the oldest stored row behind this profile; None without one.
        served_rows: the stored rows by view, for a sampled request.
    """

    vector: FloatArray | None = None
    content: FloatArray | None = None
    affinity: Mapping[str, float] = field(default_factory=dict)
    evidence: float | None = None
    stated_interests: tuple[str, ...] = ()
    recent_items: tuple[str, ...] = ()
    missing_vector_reason: str = NO_USER_VECTOR
    features_age_ms: int | None = None
    served_rows: Mapping[str, object] | None = None


class Predictor:
    """Stateless ranker over one item index, safe to share between threads."""

    def __init__(self, index: ItemIndex) -> None:
        """Keep ``index``; a newer one needs a new predictor."""
        self.index = index

    def warm_up(self) -> None:
        """Compute cached properties before the first request."""
        _ = self.index.row_of, self.index.category_rows, self.index.category_keys
        _ = self.index.attributes, self.index.just_indexed, self.index.response_items, ranking_policy()

    def rank(self, request: RankRequest, *, user: UserProfile, at: datetime | None = None) -> RankResponse:
        """Return at most ``request.limit`` items, best first, none of them excluded; fewer when there are no more.

        Items are re-ranked by age, diversity and hides; muted ones are left out. Excluded ids that are not in the index
        are ignored. ``at`` is the time of the request, now if left out; the result is a pure function of the arguments.
        """
        path, reason_code = self._choose_path(user)
        parts = self._score(user, path=path)
        scores = parts.total.copy()
        row_of = self.index.row_of
        excluded = [row_of[item_id] for item_id in request.exclude if item_id in row_of]
        scores[excluded] = -np.inf
        scores[self._muted_rows(request.muted)] = -np.inf
        candidates = np.flatnonzero(np.isfinite(scores))
        page = page_of(
            scores,
            attributes=self.index.attributes,
            policy=ranking_policy(),
            limit=request.limit,
            first=request.page,
            at=at or datetime.now(UTC),
            dislikes=Dislikes(connectors=request.hidden.connectors, categories=request.hidden.categories),
        )
        return RankResponse(
            items=self._explain(page, candidates=candidates, parts=parts, user=user, liked=tuple(request.liked)),
            path=path,
            reason_code=reason_code,
            model_version=self.index.model_version,
            item_index_version=self.index.version,
            features=_logged(user),
            features_age_ms=user.features_age_ms,
            indexed_until=self.index.attributes.newest,
            just_indexed=list(self.index.just_indexed),
        )

    def scores(self, user: UserProfile) -> FloatArray:
        """Return the (n,) scores of all items for a user, before mask and re-ranking."""
        path, _ = self._choose_path(user)
        return self._score(user, path=path).total

    def _choose_path(self, user: UserProfile) -> tuple[RankingPath, str | None]:
        width = self.index.vector_width
        reason: str | None = user.missing_vector_reason if self.index.is_personal else POPULARITY_CHAMPION
        if width and user.vector is not None and user.vector.shape == (width,):
            return RankingPath.COLLABORATIVE, None
        has_content = self._content_of(user) is not None
        if has_content or self._affinity_of(user).any():
            # For a model without factors this is the best path for users with interactions, so it has no reason code.
            is_best = self.index.is_personal and not width and (has_content or bool(user.affinity))
            return RankingPath.CONTENT, None if is_best else reason
        return RankingPath.POPULAR, reason

    def _score(self, user: UserProfile, *, path: RankingPath) -> ScoreParts:
        index = self.index
        nothing = np.zeros(len(index.item_ids), dtype=np.float32)
        if path is RankingPath.POPULAR:
            return ScoreParts(nothing, nothing, nothing, nothing, index.popularity)
        if path is RankingPath.COLLABORATIVE and index.response_items is not None:
            return self._score_responses(user, items=index.response_items)
        is_known = path is RankingPath.COLLABORATIVE and user.vector is not None
        weights: BlendWeights = index.warm_user if is_known else index.cold_user
        content = self._content_of(user)
        acts, stated = self._affinity_parts(user)
        parts = ScoreParts(
            collaborative=index.factors @ user.vector if is_known and user.vector is not None else nothing,
            content=nothing.copy() if content is None else weights.content * (index.embeddings @ content),
            acts=weights.affinity * acts[index.category_rows],
            stated=weights.affinity * stated[index.category_rows],
            popularity=weights.popularity * index.popularity,
        )
        # A recent interaction counts for similar items, not for the item itself.
        for row in self._rows(user.recent_items).tolist():
            itself = index.item_ids[row]
            others = replace(user, recent_items=tuple(one for one in user.recent_items if one != itself))
            content = self._content_of(others)
            acts, stated = self._affinity_parts(others)
            parts.content[row] = 0.0 if content is None else weights.content * float(index.embeddings[row] @ content)
            parts.acts[row] = weights.affinity * acts[index.category_rows[row]]
            parts.stated[row] = weights.affinity * stated[index.category_rows[row]]
        return parts

    def _score_responses(self, user: UserProfile, *, items: ResponseItems) -> ScoreParts:
        """Return the parts of the response model: category and text by acts, quality, and stated interests."""
        index = self.index
        vector = np.zeros((1, items.width), dtype=np.float32) if user.vector is None else user.vector[None]
        _, stated = self._affinity_parts(user)
        parts = ScoreParts(
            collaborative=np.zeros(len(index.item_ids), dtype=np.float32),
            content=items.text_part(vector)[0],
            acts=items.category_part(vector)[0],
            stated=STATED_WEIGHT * stated[index.category_rows],
            popularity=np.zeros(len(index.item_ids), dtype=np.float32) if index.quality is None else index.quality,
        )
        # An act of the last hour moves the vector toward its item; it counts for similar items, not for itself.
        for row in self._rows(user.recent_items).tolist():
            by_category, by_text = items.step_toward(row)
            by_category[row] = by_text[row] = 0.0
            parts.acts[:] += by_category
            parts.content[:] += by_text
        return parts

    def _content_of(self, user: UserProfile) -> FloatArray | None:
        """Return the mean of the user's content vector and that of the last hour; None without either."""
        embeddings = self.index.embeddings
        if embeddings.shape[1] == 0:
            return None
        blended: FloatArray = np.zeros(embeddings.shape[1], dtype=np.float32)
        if user.content is not None and user.content.shape == blended.shape:
            blended += normalize_rows(user.content)
        recent = self._rows(user.recent_items)
        if len(recent):
            blended += normalize_rows(embeddings[recent].mean(axis=0))
        return normalize_rows(blended) if blended.any() else None

    def _affinity_of(self, user: UserProfile) -> FloatArray:
        """Return the weight of every category, including the last hour and the stated interests.

        The last position, for items without a category, is zero.
        """
        acts, stated = self._affinity_parts(user)
        return acts + stated

    def _affinity_parts(self, user: UserProfile) -> tuple[FloatArray, FloatArray]:
        """Return the summands of ``_affinity_of``: by interactions, and by stated interests."""
        names = self.index.category_names
        weights: FloatArray = np.zeros(len(names) + 1, dtype=np.float32)
        position = {name: row for row, name in enumerate(names)}
        evidence = evidence_of(user.evidence) if user.affinity else 0.0
        for category, weight in user.affinity.items():
            if category in position:
                weights[position[category]] = weight
        recent = self._rows(user.recent_items)
        if len(recent):
            counts = np.bincount(self.index.category_rows[recent], minlength=len(weights)).astype(np.float32)
            counts[-1] = 0.0
            fresh = counts / max(1.0, float(counts.sum()))
            weights = (weights + fresh) / 2 if weights.any() else fresh
            evidence += _RECENT_EVIDENCE * float(counts.sum())
        stated: FloatArray = np.zeros(len(weights), dtype=np.float32)
        stated[
            [
                row
                for interest in user.stated_interests
                for row in self.index.category_keys.get(category_key(interest), ())
            ]
        ] = 1
        acts, prior = split_stated_interests(weights[None], evidence=np.array([evidence]), stated=stated[None])
        return np.asarray(acts[0], dtype=np.float32), np.asarray(prior[0], dtype=np.float32)

    def _rows(self, item_ids: tuple[str, ...]) -> IntArray:
        row_of = self.index.row_of
        return np.array([row_of[item_id] for item_id in item_ids if item_id in row_of], dtype=np.int64)

    def _muted_rows(self, muted: Muted) -> IntArray:
        index = self.index
        positions = [one for category in muted.categories for one in index.category_keys.get(category, ())]
        is_muted = np.isin(index.category_rows, positions)
        if muted.connectors:
            is_muted |= np.isin(np.array(index.attributes.connectors, dtype=str), muted.connectors)
        return np.flatnonzero(is_muted)

    def _explain(
        self, page: list[Row], *, candidates: IntArray, parts: ScoreParts, user: UserProfile, liked: tuple[str, ...]
    ) -> list[RankedItem]:
        index, recent = self.index, self._rows(user.recent_items).tolist()
        taste = Taste(
            weights=self._affinity_of(user),
            liked_categories=frozenset({*user.affinity, *(index.categories[row] for row in recent)} - {""}),
            stated_interests=user.stated_interests,
            liked=self._rows(liked),
            has_acted=self._content_of(user) is not None,
        )
        rows = np.array([ranked.row for ranked in page], dtype=np.int64)
        reasons = explain(rows, candidates=candidates, index=index, parts=parts, taste=taste)
        return [
            RankedItem(item_id=index.item_ids[ranked.row], score=ranked.score, reasons=why, relevance=ranked.relevance)
            for ranked, why in zip(page, reasons, strict=True)
        ]


def _logged(user: UserProfile) -> dict[str, object]:
    """Return the features for the prediction event: enough to explain the ranking, without vectors."""
    strongest = sorted(user.affinity.items(), key=lambda pair: -pair[1])[:5]
    return {
        "has_vector": user.vector is not None,
        "has_content": user.content is not None,
        "affinity": dict(strongest),
        "stated_interests": list(user.stated_interests[:5]),
        "recent_items": list(user.recent_items[:5]),
        "features_age_ms": user.features_age_ms,
        **({} if user.served_rows is None else {SERVED_ROWS: dict(user.served_rows)}),
    }
