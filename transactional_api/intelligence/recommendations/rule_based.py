"""Events and marketplace items ranked by rules: the fallback of the model, as popular items are for posts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, all_, and_, case, exists, func, literal, null, or_, select
from sqlalchemy.orm import aliased

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import RankingPath
from neighborconnect.feed.reasons import ReasonCode
from transactional_api.core.db.statements import Reads
from transactional_api.core.db.tables import (
    Connector,
    Event,
    EventAttendee,
    Follow,
    HiddenItem,
    ItemView,
    MarketplaceItem,
    User,
)
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.intelligence.recommendations import standing
from transactional_api.intelligence.recommendations.offers import offered_events, offered_items
from transactional_api.intelligence.recommendations.pages import Source, Suggestion
from transactional_api.intelligence.recommendations.queries import is_personal_interest
from transactional_api.intelligence.recommendations.reasons import by_weight

# Only the nearest in time are scored.
CANDIDATES = 300
MEMBER_WEIGHT: Final = 2.0
INTEREST_WEIGHT: Final = 1.0
FOLLOWED_WEIGHT: Final = 1.0
POPULARITY_WEIGHT: Final = 0.2
BASE_WEIGHT: Final = 0.2
MIN_POPULAR: Final = 2
"""People of full standing who make something popular; one person alone does not."""
Weight = tuple[float, str, Mapping[str, object]]
"""Summand of the weight of an item, with the code and the parameters of its reason."""


async def suggest(
    reads: Reads, *, viewer: Viewer, kind: ItemKind, exclude: Sequence[UUID], indexed_age: timedelta | None = None
) -> list[Suggestion]:
    """Return events or items by descending relevance; equal ones by start or age.

    Args:
        reads: connection of the request.
        viewer: the viewer.
        kind: ``EVENT`` or ``ITEM``.
        exclude: ids of items that are already shown.
        indexed_age: if given, only items younger than this, and private ones: those that an item index may lack.
    """
    item = Event if kind is ItemKind.EVENT else MarketplaceItem
    statement = _events(viewer) if kind is ItemKind.EVENT else _items(viewer)
    hidden = select(HiddenItem.item_id).where(HiddenItem.user_id == viewer.id, HiddenItem.item_kind == kind.value)
    # Hidden items and those on the screen would take up candidates.
    on_screen = literal(list(exclude), ARRAY(Uuid()))
    statement = statement.where(item.id != all_(on_screen), item.id.not_in(hidden)).limit(CANDIDATES)
    if indexed_age is not None:
        statement = statement.where(or_(item.created_at > func.now() - indexed_age, Connector.is_public.is_(False)))
    rows = (await reads.session.execute(statement)).all()
    suggestions = [
        Suggestion(row.id, _relevance(weights), by_weight(weights), RankingPath.POPULAR_NEARBY, Source.RULES)
        for row in rows
        for weights in (_weights(row, viewer=viewer, item_kind=kind),)
    ]
    return sorted(suggestions, key=lambda one: -one.relevance)


def _events(viewer: Viewer) -> Select[Any]:
    """Select the soonest events with the columns for rank and reason."""
    answer = aliased(EventAttendee)
    attends = and_(answer.event_id == Event.id, answer.status == "attending")
    signals = _signals(viewer, act=answer, is_of=attends, item=Event)
    free_places = (Event.max_attendees - Event.attendee_count).label("free_places")
    columns = (*signals, *_followed_attendees(viewer), free_places)
    return offered_events(viewer).add_columns(*columns).order_by(Event.start_date, Event.id)


def _items(viewer: Viewer) -> Select[Any]:
    """Select the newest items with the columns for rank and reason."""
    signals = _signals(viewer, act=ItemView, is_of=ItemView.item_id == MarketplaceItem.id, item=MarketplaceItem)
    newest = (MarketplaceItem.created_at.desc(), MarketplaceItem.id)
    columns = (*signals, *_followed_seller(viewer), null().label("free_places"))
    return offered_items(viewer).add_columns(*columns).order_by(*newest)


def _signals(viewer: Viewer, *, act: Any, is_of: ColumnElement[bool], item: Any) -> list[ColumnElement[Any]]:
    """Return the columns for rank and reason; ``is_of`` restricts acts to those with the ``item``.

    People count by their standing.
    """
    actor = aliased(User)

    def count(*conditions: ColumnElement[bool]) -> ColumnElement[float]:
        people = select(func.coalesce(func.sum(standing.weight(actor)), 0.0)).select_from(act)
        of_item = people.join(actor, actor.id == act.user_id).where(is_of, standing.counts(actor), *conditions)
        return of_item.correlate(item).scalar_subquery()

    return [
        is_personal_interest(viewer).label("is_interest"),
        count().label("people"),
        count(actor.neighborhood == literal(viewer.neighborhood)).label("neighbors"),
        count(actor.city == literal(viewer.city)).label("of_the_city"),
    ]


def _followed_attendees(viewer: Viewer) -> list[ColumnElement[Any]]:
    """Return how many people whom the viewer follows attend the event, and the name of one; as far as they may see."""
    attends, person = aliased(EventAttendee), aliased(User)

    def of_them(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return (
            select(column)
            .select_from(attends)
            .join(Follow, and_(Follow.followee_id == attends.user_id, Follow.follower_id == viewer.id))
            .join(person, person.id == attends.user_id)
            .where(
                attends.event_id == Event.id,
                attends.status == "attending",
                Event.hides_attendees.is_(False),
                person.is_active.is_(True),
                users.not_blocked(viewer, person.id),
            )
            .correlate(Event)
            .scalar_subquery()
        )

    return [of_them(func.count()).label("followed"), of_them(func.min(person.username)).label("followed_name")]


def _followed_seller(viewer: Viewer) -> list[ColumnElement[Any]]:
    """Return 1 and the name of the seller if the viewer follows them, else 0."""
    follows = exists().where(Follow.follower_id == viewer.id, Follow.followee_id == MarketplaceItem.seller_id)
    return [
        case((follows.correlate(MarketplaceItem), 1), else_=0).label("followed"),
        User.username.label("followed_name"),
    ]


def _relevance(weights: Sequence[Weight]) -> float:
    weight = sum(value for value, _, _ in weights)
    return weight / (1.0 + weight)


def _weights(row: Any, *, viewer: Viewer, item_kind: ItemKind) -> list[Weight]:
    """Return the summands of the weight of an item, each with its reason; an empty code is no reason."""
    if row.neighbors >= MIN_POPULAR:
        popular = ReasonCode.POPULAR_IN_YOUR_NEIGHBORHOOD.value
    elif row.of_the_city >= MIN_POPULAR:
        popular = ReasonCode.POPULAR_IN_YOUR_CITY.value
    else:
        popular = ReasonCode.POPULAR.value if row.people >= MIN_POPULAR else ""
    if item_kind == ItemKind.EVENT:
        followed = ReasonCode.PEOPLE_YOU_FOLLOW_GOING
        base = ReasonCode.SOON if row.free_places is None else ReasonCode.FREE_PLACES
    else:
        followed, base = ReasonCode.YOU_FOLLOW_THE_SELLER, ReasonCode.NEW
    # Without consent, neither the interests nor the people that the viewer follows count.
    count = row.followed if viewer.personalised else 0
    return [
        (MEMBER_WEIGHT * row.is_member, ReasonCode.IN_YOUR_CONNECTORS, {}),
        (INTEREST_WEIGHT * row.is_interest, ReasonCode.OF_YOUR_INTERESTS, {}),
        (FOLLOWED_WEIGHT * math.log1p(count), followed, {"count": count, "name": row.followed_name}),
        (POPULARITY_WEIGHT * math.log1p(row.people), popular, {}),
        (BASE_WEIGHT, base, {"count": row.free_places}),
    ]
