"""Choosing the items of a feed: the model's ranking, filled up with what is popular near the viewer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import MAX_EXCLUDED, MAX_ITEMS, RankingPath, RankRequest, RankResponse
from transactional_api.auth import Viewer
from transactional_api.db.plain import Ready
from transactional_api.db.session import let_go
from transactional_api.inference import InferenceClient, InferenceError, NoAnswer
from transactional_api.prepared import SOMEONE
from transactional_api.recommendations import queries
from transactional_api.recommendations.popular import popular_near
from transactional_api.recommendations.schemas import FeedRequest
from transactional_api.recommendations.shelves import ItemT, Shelf

NOT_ENOUGH_ITEMS = "not_enough_items"
# Some of what a model ranks is gone or private by the time it is looked up.
SPARE_ITEMS = 20
LOOK_UP = 60
_NEVER = {kind: Ready(queries.never_recommended(SOMEONE, kind=kind)) for kind in ItemKind}


@dataclass(frozen=True, slots=True)
class Recommender:
    """What feeds are made with, beside the session of the request."""

    inference: InferenceClient
    redis: Redis


@dataclass(frozen=True, slots=True)
class Choice(Generic[ItemT]):
    """One item of a feed, and why."""

    id: UUID
    item: ItemT
    score: float
    reason: str
    path: RankingPath


@dataclass(slots=True)
class Ranking(Generic[ItemT]):
    """The items of a feed in order, and how they came about."""

    choices: list[Choice[ItemT]] = field(default_factory=list)
    path: RankingPath = RankingPath.POPULAR_NEARBY
    reason_code: str | None = None
    model_version: str | None = None
    features: dict[str, Any] = field(default_factory=dict)


async def rank(
    session: AsyncSession,
    *,
    viewer: Viewer,
    recommender: Recommender,
    shelf: Shelf[ItemT],
    asked: FeedRequest,
    request_id: UUID,
) -> Ranking[ItemT]:
    """Choose the items of a feed. It says which path answered and, short of the best one, why."""
    ranking: Ranking[ItemT] = Ranking()
    shown = set(asked.exclude)
    try:
        answer = await _ask_model(
            session, viewer=viewer, recommender=recommender, shelf=shelf, asked=asked, request_id=request_id
        )
    except InferenceError as error:
        ranking.reason_code = error.reason.value
    else:
        ranking.choices = await _look_up(session, viewer=viewer, shelf=shelf, answer=answer, shown=shown)
        del ranking.choices[asked.limit :]
        ranking.reason_code = answer.reason_code
        ranking.model_version, ranking.features = answer.model_version, answer.features
        if ranking.choices:
            ranking.path = answer.path
    if len(ranking.choices) < asked.limit:
        ranking.reason_code = ranking.reason_code or NOT_ENOUGH_ITEMS
        shown.update(choice.id for choice in ranking.choices)
        ranking.choices += await _fill_up(
            session,
            viewer=viewer,
            recommender=recommender,
            shelf=shelf,
            ranking=ranking,
            shown=shown,
            limit=asked.limit,
        )
    return ranking


async def _ask_model(
    session: AsyncSession,
    *,
    viewer: Viewer,
    recommender: Recommender,
    shelf: Shelf[ItemT],
    asked: FeedRequest,
    request_id: UUID,
) -> RankResponse:
    if not viewer.personalised:
        raise InferenceError(NoAnswer.NO_CONSENT)
    room = MAX_EXCLUDED - len(asked.exclude)
    never = await _NEVER[shelf.kind].all(session, viewer_id=viewer.id, most=room)
    await let_go(session)
    return await recommender.inference.rank(
        RankRequest(
            request_id=str(request_id),
            user_id=str(viewer.id),
            item_kind=shelf.kind,
            limit=min(asked.limit + SPARE_ITEMS, MAX_ITEMS),
            exclude=[str(item_id) for item_id in {*(row.id for row in never), *asked.exclude}],
        )
    )


async def _look_up(
    session: AsyncSession, *, viewer: Viewer, shelf: Shelf[ItemT], answer: RankResponse, shown: Iterable[UUID]
) -> list[Choice[ItemT]]:
    ranked = {UUID(one.item_id): one for one in answer.items}
    for item_id in shown:
        ranked.pop(item_id, None)
    found = await shelf.look_up(session, viewer, list(ranked))
    return [
        Choice(item_id, found[item_id], one.score, one.reason, answer.path)
        for item_id, one in ranked.items()
        if item_id in found
    ]


async def _fill_up(
    session: AsyncSession,
    *,
    viewer: Viewer,
    recommender: Recommender,
    shelf: Shelf[ItemT],
    ranking: Ranking[ItemT],
    shown: set[UUID],
    limit: int,
) -> list[Choice[ItemT]]:
    popular = await popular_near(session, redis=recommender.redis, kind=shelf.kind, viewer=viewer)
    candidates = [one for one in popular if one.id not in shown]
    # Below the model's own, in the order of popularity.
    floor = min((choice.score for choice in ranking.choices), default=0.0)
    wanted = limit - len(ranking.choices)
    choices: list[Choice[ItemT]] = []
    # Most candidates pass, so there is seldom a second batch to look up.
    for start in range(0, len(candidates), LOOK_UP):
        batch = candidates[start : start + LOOK_UP]
        found = await shelf.look_up(session, viewer, [one.id for one in batch])
        for one in batch:
            if one.id in found and len(choices) < wanted:
                score = floor - len(choices) - 1
                choices.append(Choice(one.id, found[one.id], score, one.reason, RankingPath.POPULAR_NEARBY))
        if len(choices) == wanted:
            break
    return choices
