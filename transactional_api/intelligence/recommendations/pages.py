"""Assembly of a feed page from several sources with one mask and one re-ranking."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Generic
from uuid import UUID

from neighborconnect.contracts.serving import RankedItem as WireItem
from neighborconnect.contracts.serving import RankingPath
from neighborconnect.feed.dials import Dials
from neighborconnect.feed.page_record import PageRecord
from neighborconnect.feed.policy import ranking_policy
from neighborconnect.feed.reasons import ReasonCode
from neighborconnect.feed.reranking import Candidate, Carried, Dislikes, Page
from transactional_api.core.db.statements import Reads
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations.hydration import HydratedItem, HydrationSource, ItemT
from transactional_api.intelligence.recommendations.masking import mask_among
from transactional_api.intelligence.recommendations.page_records import record_page
from transactional_api.intelligence.recommendations.reasons import Reason

HYDRATION_BATCH = 60
_SHOWN_BEFORE = (Reason(ReasonCode.SHOWN_BEFORE),)
_DAY_SECONDS = 86_400.0


class Source(StrEnum):
    """Source of suggested items."""

    MODEL = "model"
    NEW = "new"
    POPULAR = "popular"
    OLDER = "older"
    SHOWN_BEFORE = "shown_before"
    RULES = "rules"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Suggested item; ``relevance`` is in [0, 1]."""

    id: UUID
    relevance: float
    reasons: tuple[Reason, ...]
    path: RankingPath
    source: Source


@dataclass(frozen=True, slots=True)
class RankedItem(Generic[ItemT]):
    """Item of a feed, with its score and reasons."""

    id: UUID
    item: ItemT
    score: float
    reasons: tuple[Reason, ...]
    path: RankingPath
    category: str
    is_outside: bool
    sources: list[Source]
    author: str | None
    connector: str


class PageBuilder(Generic[ItemT]):
    """Page under construction; sources are added in order of preference."""

    def __init__(
        self,
        reads: Reads,
        *,
        viewer: Viewer,
        source: HydrationSource[ItemT],
        limit: int,
        on_screen: Iterable[UUID],
        dislikes: Dislikes,
        carried: Carried,
        dials: Dials,
    ) -> None:
        """Start an empty page of ``limit`` items, none of which is ``on_screen``, after pages with ``carried``."""
        self._reads, self._viewer, self._source, self._dials = reads, viewer, source, dials
        self._page = Page[UUID](policy=ranking_policy(), limit=limit, dislikes=dislikes, carried=carried)
        self._limit, self._dislikes, self._carried = limit, dislikes, carried
        self._offered = set(on_screen)
        self._placed: dict[UUID, tuple[Suggestion, HydratedItem[ItemT]]] = {}
        self._shown: dict[UUID, datetime] = {}
        self._sources: defaultdict[UUID, list[Source]] = defaultdict(list)
        self._fills: list[list[Candidate[UUID]]] = []
        self._multipliers: dict[str, float] = {}

    @property
    def is_full(self) -> bool:
        """Whether the page has ``limit`` items."""
        return self._page.is_full

    @property
    def carried(self) -> Carried:
        """Repeats for the next page of the session."""
        return self._page.carried

    @property
    def items(self) -> list[RankedItem[ItemT]]:
        """The page so far, in order."""
        published = ranking_policy().relevance.published
        return [
            RankedItem(
                entry.item_id,
                hydrated.item,
                published(entry.score),
                suggestion.reasons,
                suggestion.path,
                hydrated.category,
                hydrated.is_outside,
                self._sources[entry.item_id],
                hydrated.author,
                hydrated.connector,
            )
            for entry in self._page.items
            for suggestion, hydrated in (self._placed[entry.item_id],)
        ]

    def record(self, request_id: UUID, *, most_others: int) -> PageRecord:
        """Return the inputs of the page so far, with the best ``most_others`` of the items that are not on it."""
        return record_page(
            self._fills,
            request_id=request_id,
            limit=self._limit,
            dislikes=self._dislikes,
            carried=self._carried,
            placed=[entry.item_id for entry in self._page.items],
            most_others=most_others,
        )

    def multipliers_of(self, record: PageRecord) -> dict[str, float]:
        """Return the factors of the relevance of recorded items, where they are not 1."""
        recorded = {one.item_id for fill in record.fills for one in fill}
        return {item_id: factor for item_id, factor in self._multipliers.items() if item_id in recorded}

    async def add(self, suggestions: Iterable[Suggestion]) -> bool:
        """Add unmasked suggestions, and return whether the page is full.

        Recently shown ones are reserved for ``backfill_shown``.
        """
        new: dict[UUID, Suggestion] = {}
        for suggestion in suggestions:
            if suggestion.source not in self._sources[suggestion.id]:
                self._sources[suggestion.id].append(suggestion.source)
            # Two sources may suggest the same item; the first one is preferred.
            if suggestion.id not in self._offered:
                new.setdefault(suggestion.id, suggestion)
        if not new or self.is_full:
            return self.is_full
        self._offered.update(new)
        mask = await mask_among(self._reads.runner, viewer=self._viewer, item_kind=self._source.kind, ids=list(new))
        eligible, shown = mask.split(new)
        self._shown.update({item_id: mask.shown[item_id] for item_id in shown})
        await self._place([new[item_id] for item_id in eligible])
        return self.is_full

    async def backfill_shown(self, others: dict[UUID, datetime]) -> None:
        """Backfill with recently shown items, least recent first, when no other items are left.

        Args:
            others: additional shown items with the time of the impression.
        """
        shown = self._shown | {item_id: at for item_id, at in others.items() if item_id not in self._offered}
        order = sorted(shown, key=shown.__getitem__)
        for start in range(0, len(order), HYDRATION_BATCH):
            if self.is_full:
                return
            batch = order[start : start + HYDRATION_BATCH]
            # They may have been liked or hidden since the impression.
            mask = await mask_among(self._reads.runner, viewer=self._viewer, item_kind=self._source.kind, ids=batch)
            await self._place(
                [
                    self._shown_before(item_id, relevance=1.0 - position / len(batch))
                    for position, item_id in enumerate(batch)
                    if item_id not in mask.excluded
                ]
            )

    def _shown_before(self, item_id: UUID, *, relevance: float) -> Suggestion:
        self._sources[item_id].append(Source.SHOWN_BEFORE)
        return Suggestion(item_id, relevance, _SHOWN_BEFORE, RankingPath.POPULAR_NEARBY, Source.SHOWN_BEFORE)

    async def _place(self, suggestions: Sequence[Suggestion]) -> None:
        hydrated = await self._source.hydrate(
            self._reads.runner, self._viewer, [suggestion.id for suggestion in suggestions]
        )
        now = datetime.now(UTC)
        candidates = []
        for suggestion in suggestions:
            if suggestion.id in hydrated:
                self._placed[suggestion.id] = (suggestion, hydrated[suggestion.id])
                multiplier = multiplier_of(hydrated[suggestion.id], now=now, dials=self._dials)
                if multiplier != 1.0:
                    self._multipliers[str(suggestion.id)] = multiplier
                candidates.append(candidate_of(suggestion, hydrated[suggestion.id], now=now, multiplier=multiplier))
        self._fills.append(candidates)
        self._page.fill(candidates)


def clip_relevance(item: WireItem) -> float:
    """Return the relevance of an item of the model, in [0, 1]."""
    return min(max(item.score if item.relevance is None else item.relevance, 0.0), 1.0)


def multiplier_of(item: HydratedItem[ItemT], *, now: datetime, dials: Dials) -> float:
    """Return the factor of the relevance of an item by what is known of it when it is served, and by dials."""
    wanted = ranking_policy().dials.factor(
        dials,
        distance_km=item.distance_km,
        is_followed=item.is_followed,
        is_outside=item.is_outside,
        age_days=_age_days(item, now=now),
    )
    return item.prior * wanted


def candidate_of(
    suggestion: Suggestion, item: HydratedItem[ItemT], *, now: datetime, multiplier: float
) -> Candidate[UUID]:
    """Return a suggested item as a candidate of re-ranking."""
    return Candidate(
        suggestion.id,
        suggestion.relevance * multiplier,
        age_days=_age_days(item, now=now),
        author=item.author,
        connector=item.connector,
        category=item.category,
        is_outside=item.is_outside,
    )


def _age_days(item: HydratedItem[ItemT], *, now: datetime) -> float | None:
    return None if item.created_at is None else (now - item.created_at).total_seconds() / _DAY_SECONDS
