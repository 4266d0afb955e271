"""View of a recorded feed answer: the funnel from sources to the page, and the candidates that were not selected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.page_record import PageRecord
from neighborconnect.feed.reranking import Candidate, static_value
from transactional_api.core.db.statements import StatementRunner
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations.decisions import HOME, ON_SCREEN, StoredDecision
from transactional_api.intelligence.recommendations.replay import HYDRATION_SOURCES

MAX_TITLE: Final = 80
_TITLE_FIELDS: Final = ("title", "name", "content")


@dataclass(frozen=True, slots=True)
class Funnel:
    """Numbers of items by stage.

    Attributes:
        by_source: selected items by source that suggested them; an item may have several.
        removed: items that a filter removed, by reason.
        model_items: items that the model ranked.
        candidates: recorded candidates of the re-ranking.
        selected: items of the answer.
    """

    by_source: dict[str, int]
    removed: dict[str, int]
    model_items: int
    candidates: int
    selected: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """Candidate that the re-ranking did not select; ``value`` is its score on an empty page."""

    candidate: Candidate[str]
    value: float


def funnel(decision: StoredDecision) -> Funnel:
    """Return the funnel of a decision."""
    record, rankings = decision.record, decision.record.rankings
    removed = Counter[str]()
    for ranking in rankings:
        removed.update(ranking.excluded_counts)
    # Every ranking of a home feed excludes the same earlier items.
    removed[ON_SCREEN] = max((ranking.excluded_counts.get(ON_SCREEN, 0) for ranking in rankings), default=0)
    candidates = {one.item_id for ranking in rankings for fill in ranking.pages.fills for one in fill}
    return Funnel(
        by_source=dict(Counter(source.value for item in record.items for source in item.sources).most_common()),
        removed={reason: count for reason, count in removed.most_common() if count},
        model_items=sum(len(ranking.model_items) for ranking in rankings),
        candidates=len(candidates),
        selected=len(record.items),
    )


def rejected_candidates(decision: StoredDecision) -> list[Rejected]:
    """Return the candidates that were scored and not selected, the best first."""
    selected = {str(item.item_id) for item in decision.record.items}
    scored = [one for ranking in decision.record.rankings for one in _rejected(ranking.pages, selected=selected)]
    return sorted(scored, key=lambda one: one.value, reverse=True)


def _rejected(pages: PageRecord, *, selected: Collection[str]) -> Iterator[Rejected]:
    others = {one.item_id: one for fill in pages.fills for one in fill if one.item_id not in selected}
    for one in others.values():
        value = static_value(one, policy=pages.policy, dislikes=pages.dislikes)
        yield Rejected(one, pages.policy.relevance.published(value))


async def titles(
    runner: StatementRunner, *, viewer: Viewer, item_kind: str, item_ids: Sequence[UUID]
) -> dict[str, str]:
    """Return the beginnings of the items that the viewer may see, by id."""
    kinds = ItemKind if item_kind == HOME else [ItemKind(item_kind)]
    return {
        str(item_id): next(text for name in _TITLE_FIELDS if (text := getattr(one.item, name, None)))[:MAX_TITLE]
        for kind in kinds
        for item_id, one in (await HYDRATION_SOURCES[kind].hydrate(runner, viewer, item_ids)).items()
    }
