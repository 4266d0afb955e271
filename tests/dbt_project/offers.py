"""Rows of events, the marketplace, reviews, notifications and moderation in ``raw``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

if TYPE_CHECKING:
    from tests.dbt_project.conftest import Warehouse

HOUR = timedelta(hours=1)


def put_offers(warehouse: Warehouse, *, seller: UUID, guest: UUID, garden: UUID, at: datetime) -> None:
    """Let a seller hold an event and sell an item; the guest comes, buys, reviews, opens a notice and is moderated."""
    stamps = {"created_at": at, "updated_at": at, "is_active": True}
    event, item, purchase, review = (uuid5(seller, name) for name in ("event", "item", "purchase", "review"))
    warehouse.put(
        "events",
        id=event,
        connector_id=garden,
        created_by=seller,
        title="Seed swap",
        start_date=at + 48 * HOUR,
        max_attendees=4,
        **stamps,
    )
    warehouse.put(
        "event_attendees",
        id=uuid5(event, "rsvp"),
        event_id=event,
        user_id=guest,
        status="attending",
        guests=1,
        joined_at=at,
    )
    price = {"price": 20, "currency": "USD"}
    warehouse.put(
        "marketplace_items",
        id=item,
        connector_id=garden,
        seller_id=seller,
        title="Spade",
        category="tools",
        status="sold",
        **price,
        **stamps,
    )
    warehouse.put("marketplace_item_views", id=uuid5(item, "view"), item_id=item, user_id=guest, created_at=at)
    bought = {"created_at": at + HOUR, "updated_at": at + 3 * HOUR, "status": "completed"}
    warehouse.put(
        "marketplace_purchases", id=purchase, item_id=item, buyer_id=guest, seller_id=seller, **price, **bought
    )
    warehouse.put(
        "seller_reviews",
        id=uuid5(purchase, "review"),
        purchase_id=purchase,
        seller_id=seller,
        buyer_id=guest,
        rating=4,
        is_active=True,
        created_at=at,
    )
    warehouse.put(
        "reviews",
        id=review,
        connector_id=garden,
        reviewer_id=guest,
        title="Good",
        content="Good soil",
        rating=5,
        state="visible",
        **stamps,
    )
    [(post,)] = warehouse.sql("select id from raw.posts order by _event_id limit 1")
    warehouse.put(
        "post_reactions", id=uuid5(seller, "reaction"), post_id=post, user_id=guest, kind="care", created_at=at
    )
    reel = {"connector_id": garden, "title": "Sowing", "duration_seconds": 8.5, "view_count": 3, "like_count": 1}
    warehouse.put(
        "reels", id=uuid5(seller, "reel"), author_id=seller, media_id=uuid5(seller, "video"), created_at=at, **reel
    )
    warehouse.put("review_votes", id=uuid5(review, "vote"), review_id=review, user_id=seller, created_at=at)
    warehouse.put(
        "notifications",
        id=uuid5(seller, "notice"),
        user_id=guest,
        kind="post.liked",
        subject_kind="post",
        created_at=at,
        read_at=at + HOUR,
    )
    case, decision = uuid5(seller, "case"), uuid5(seller, "decision")
    warehouse.put(
        "moderation_cases",
        id=case,
        subject_kind="review",
        subject_id=review,
        state="decided",
        report_count=1,
        is_held=False,
        created_at=at,
    )
    warehouse.put("moderation_reports", id=uuid5(case, "report"), case_id=case, reason="spam", created_at=at)
    warehouse.put(
        "moderation_decisions",
        id=decision,
        case_id=case,
        outcome="label",
        label="unverified",
        rule="No spam",
        took_effect=True,
        created_at=at + 5 * HOUR,
        subject_kind="review",
        subject_id=review,
    )
    warehouse.put(
        "moderation_appeals",
        id=uuid5(decision, "appeal"),
        decision_id=decision,
        state="upheld",
        created_at=at + 6 * HOUR,
        decided_at=at + 8 * HOUR,
    )
