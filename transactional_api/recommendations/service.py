"""Personal feeds, each logged as a prediction event in its own transaction."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import UUID, uuid4

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import PredictionEvent
from neighborconnect.contracts.topics import PREDICTIONS_TOPIC
from transactional_api.auth import Viewer
from transactional_api.cdc.outbox import emit
from transactional_api.recommendations.ranking import Ranking, Recommender, rank
from transactional_api.recommendations.schemas import ConnectorItem, Feed, FeedRequest, PostItem
from transactional_api.recommendations.schemas import ItemT as FeedItemT
from transactional_api.recommendations.shelves import CONNECTORS, POSTS, ItemT, Shelf

ANSWERS = Counter(
    "api_recommendations", "Feeds by the path that answered and why.", ["item_kind", "path", "reason_code"]
)


async def content_feed(
    session: AsyncSession, *, viewer: Viewer, recommender: Recommender, asked: FeedRequest
) -> Feed[PostItem]:
    """Recommend posts of public connectors and of those that the viewer belongs to."""
    request_id = uuid4()
    ranking = await _ranked(
        session, viewer=viewer, recommender=recommender, shelf=POSTS, asked=asked, request_id=request_id
    )
    items = [PostItem(post=one.item, score=one.score, reason=one.reason, path=one.path) for one in ranking.choices]
    return _feed(ranking, items=items, request_id=request_id)


async def connector_feed(
    session: AsyncSession, *, viewer: Viewer, recommender: Recommender, asked: FeedRequest
) -> Feed[ConnectorItem]:
    """Recommend connectors that the viewer does not belong to."""
    request_id = uuid4()
    ranking = await _ranked(
        session, viewer=viewer, recommender=recommender, shelf=CONNECTORS, asked=asked, request_id=request_id
    )
    items = [
        ConnectorItem(connector=one.item, score=one.score, reason=one.reason, path=one.path) for one in ranking.choices
    ]
    return _feed(ranking, items=items, request_id=request_id)


def _feed(ranking: Ranking[ItemT], *, items: list[FeedItemT], request_id: UUID) -> Feed[FeedItemT]:
    return Feed(
        request_id=request_id,
        items=items,
        path=ranking.path,
        reason_code=ranking.reason_code,
        model_version=ranking.model_version,
    )


async def _ranked(
    session: AsyncSession,
    *,
    viewer: Viewer,
    recommender: Recommender,
    shelf: Shelf[ItemT],
    asked: FeedRequest,
    request_id: UUID,
) -> Ranking[ItemT]:
    began = time.perf_counter()
    ranking = await rank(
        session, viewer=viewer, recommender=recommender, shelf=shelf, asked=asked, request_id=request_id
    )
    ANSWERS.labels(shelf.kind, ranking.path, ranking.reason_code or "").inc()
    if not viewer.watched:
        return ranking
    # The relay numbers the event when it leaves; the zero only lets the contract check the rest.
    event = PredictionEvent(
        event_id=0,
        request_id=request_id,
        user_id=viewer.id,
        item_kind=shelf.kind,
        path=ranking.path,
        reason_code=ranking.reason_code,
        model_version=ranking.model_version,
        item_ids=[choice.id for choice in ranking.choices],
        scores=[choice.score for choice in ranking.choices],
        features=ranking.features,
        latency_ms=(time.perf_counter() - began) * 1000,
        predicted_at=datetime.now(UTC),
    )
    await emit(session, topic=PREDICTIONS_TOPIC, key=str(viewer.id), payload=event.model_dump(exclude={"event_id"}))
    return ranking
