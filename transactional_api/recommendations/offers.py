"""Events and marketplace items that may interest a viewer: rules rank them, and the answer says so."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from neighborconnect.contracts.serving import RankingPath
from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.db.tables import Event, EventAttendee, MarketplaceItem, User
from transactional_api.events import queries as events
from transactional_api.events import service as event_service
from transactional_api.inference import NoAnswer
from transactional_api.marketplace import queries as marketplace
from transactional_api.marketplace import service as item_service
from transactional_api.marketplace.schemas import ItemStatus
from transactional_api.recommendations.schemas import EventItem, Feed, FeedRequest, OfferItem
from transactional_api.users import queries as users

# The nearest in time are weighed against each other, not every one there is.
CANDIDATES = 300
_REASON = "your_connectors_and_interests"


async def event_feed(session: AsyncSession, *, viewer: Viewer, asked: FeedRequest) -> Feed[EventItem]:
    """Recommend events to come that the viewer neither hosts nor has answered."""
    soonest = (
        events.visible_to(viewer)
        .with_only_columns(
            Event.id,
            (_closeness(viewer) + 0.2 * func.ln(1 + _confirmed_attendees())).label("score"),
            Event.start_date.label("at"),
        )
        .where(
            Event.is_active.is_(True),
            Event.start_date >= func.now(),
            Event.created_by != viewer.id,
            Event.id.not_in(asked.exclude),
            EventAttendee.status.is_(None),
            users.not_muted(viewer, Event.created_by),
        )
        .order_by(Event.start_date, Event.id)
        .limit(CANDIDATES)
    )
    scores = await _scores(session, soonest, limit=asked.limit, newest_first=False)
    found = await event_service.get_many(session, viewer=viewer, event_ids=list(scores))
    return _feed(
        [
            EventItem(event=found[one], score=score, reason=_REASON, path=RankingPath.POPULAR_NEARBY)
            for one, score in scores.items()
            if one in found
        ]
    )


def _confirmed_attendees() -> ColumnElement[int]:
    """Return how many people come to the event whose address is confirmed; their guests do not count."""
    answer = aliased(EventAttendee)
    return (
        select(func.count())
        .select_from(answer)
        .join(User, (User.id == answer.user_id) & users.counts())
        .where(answer.event_id == Event.id, answer.status == "attending")
        .correlate(Event)
        .scalar_subquery()
    )


async def offer_feed(session: AsyncSession, *, viewer: Viewer, asked: FeedRequest) -> Feed[OfferItem]:
    """Recommend available items of others."""
    newest = (
        marketplace.visible_to(viewer)
        .with_only_columns(
            MarketplaceItem.id,
            (_closeness(viewer) + 0.2 * func.ln(1 + MarketplaceItem.views_count)).label("score"),
            MarketplaceItem.created_at.label("at"),
        )
        .where(
            marketplace.STATUS == ItemStatus.AVAILABLE,
            MarketplaceItem.seller_id != viewer.id,
            MarketplaceItem.id.not_in(asked.exclude),
            users.not_muted(viewer, MarketplaceItem.seller_id),
        )
        .order_by(MarketplaceItem.created_at.desc(), MarketplaceItem.id)
        .limit(CANDIDATES)
    )
    scores = await _scores(session, newest, limit=asked.limit, newest_first=True)
    found = await item_service.get_many(session, viewer=viewer, item_ids=list(scores))
    return _feed(
        [
            OfferItem(item=found[one], score=score, reason=_REASON, path=RankingPath.POPULAR_NEARBY)
            for one, score in scores.items()
            if one in found
        ]
    )


def _closeness(viewer: Viewer) -> ColumnElement[float]:
    return case((connectors.is_member(viewer), 2.0), else_=0.0) + case((connectors.of_interest(viewer), 1.0), else_=0.0)


async def _scores(
    session: AsyncSession, candidates: Select[Any], *, limit: int, newest_first: bool
) -> dict[UUID, float]:
    one = candidates.subquery()
    at = one.c.at.desc() if newest_first else one.c.at
    rows = await session.execute(select(one.c.id, one.c.score).order_by(one.c.score.desc(), at, one.c.id).limit(limit))
    return {row.id: float(row.score) for row in rows}


def _feed(items: list[Any]) -> Feed[Any]:
    return Feed(
        request_id=uuid4(),
        items=items,
        path=RankingPath.POPULAR_NEARBY,
        reason_code=NoAnswer.NOT_DEPLOYED.value,
        model_version=None,
    )
