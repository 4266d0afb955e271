"""Statements of the events and marketplace items that may be recommended, for candidates and for hydration alike.

The mask (``masking``) excludes more: what the viewer hosts, sells, answered, bought or hid.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal_column, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.community.connectors import queries as connectors
from transactional_api.community.events import queries as events
from transactional_api.community.marketplace import queries as marketplace
from transactional_api.community.marketplace.schemas import ItemStatus
from transactional_api.core.db.tables import Connector, Event, EventAttendee, MarketplaceItem, User
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.intelligence.recommendations.queries import accepts_readers, follows, home_cell, not_muted


def offered_events(viewer: Viewer) -> Select[Any]:
    """Select the current and upcoming events with free capacity that the viewer neither hosts nor has answered."""
    return (
        events.visible_to(viewer)
        .with_only_columns(
            Event.id,
            # The start is not a publication date.
            literal_column("NULL::timestamptz").label("published_at"),
            Event.start_date.label("starts_at"),
            Event.latitude,
            Event.longitude,
            *_columns(viewer, Event.created_by),
        )
        .where(
            events.accepts_rsvps(),
            events.NOT_OVER,
            Event.created_by != viewer.id,
            EventAttendee.status.is_(None),
            or_(Event.max_attendees.is_(None), Event.attendee_count < Event.max_attendees),
            users.not_muted(viewer, Event.created_by),
            not_muted(viewer, Event.created_by),
            accepts_readers(viewer, Event.created_by),
            _is_credible(viewer, Event.created_by),
        )
    )


def offered_items(viewer: Viewer) -> Select[Any]:
    """Select the available items of other sellers."""
    return (
        marketplace.visible_to(viewer)
        .with_only_columns(
            MarketplaceItem.id,
            MarketplaceItem.created_at.label("published_at"),
            literal_column("NULL::timestamptz").label("starts_at"),
            MarketplaceItem.latitude,
            MarketplaceItem.longitude,
            *_columns(viewer, MarketplaceItem.seller_id),
        )
        .where(
            marketplace.STATUS == ItemStatus.AVAILABLE,
            marketplace.seller_is_active(),
            MarketplaceItem.seller_id != viewer.id,
            users.not_muted(viewer, MarketplaceItem.seller_id),
            not_muted(viewer, MarketplaceItem.seller_id),
            accepts_readers(viewer, MarketplaceItem.seller_id),
            _is_credible(viewer, MarketplaceItem.seller_id),
        )
    )


def _columns(viewer: Viewer, author: InstrumentedAttribute[UUID]) -> list[ColumnElement[Any]]:
    """Return the columns for re-ranking that both kinds have."""
    return [
        author.label("author_id"),
        Connector.id.label("connector_id"),
        Connector.category.expression,
        connectors.is_member(viewer).label("is_member"),
        follows(viewer, author).label("is_followed"),
        home_cell(viewer).label("home_cell"),
    ]


def _is_credible(viewer: Viewer, author: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Condition: the author has a verified address, or posts in a connector of the viewer."""
    return or_(connectors.is_member(viewer), author.in_(select(User.id).where(users.has_verified_email())))
