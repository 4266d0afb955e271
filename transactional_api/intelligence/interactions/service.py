"""Interactions: each accepted one becomes an event in the outbox, and a hide also hides the item."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from uuid import UUID, uuid4

from redis.asyncio import Redis
from sqlalchemy import delete, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import InteractionEvent, InteractionKind, ReportableKind
from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from neighborconnect.settings import Settings
from transactional_api.core.db.statements import SessionRunner
from transactional_api.core.db.tables import HiddenItem, RecommendationFeedback
from transactional_api.core.documents import DocumentStore
from transactional_api.core.outbox import emit_many
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.interactions import exposures
from transactional_api.intelligence.interactions.schemas import (
    Interaction,
    InteractionBatch,
    InteractionReceipt,
    RejectedInteraction,
    RejectionCode,
)
from transactional_api.intelligence.interactions.visible_items import find_visible
from transactional_api.intelligence.recommendations import served_items
from transactional_api.intelligence.recommendations.queries import MORE
from transactional_api.intelligence.recommendations.request_ids import is_issued

_FIELDS: dict[RejectionCode, str] = {
    "unknown_request": "request_id",
    "item_not_in_feed": "item_id",
    "unknown_item": "item_id",
}


async def record(
    session: AsyncSession,
    *,
    viewer: Viewer,
    batch: InteractionBatch,
    settings: Settings,
    redis: Redis,
    documents: DocumentStore,
) -> InteractionReceipt:
    """Record the interactions with visible items of the viewer's own feeds, and reject the others."""
    item_ids: defaultdict[ReportableKind, set[UUID]] = defaultdict(set)
    for interaction in batch.interactions:
        item_ids[interaction.item_kind].add(interaction.item_id)
    visible = await find_visible(session, viewer=viewer, documents=documents, item_ids=item_ids)
    request_ids = {interaction.request_id for interaction in batch.interactions}
    feeds = {request_id for request_id in request_ids if is_issued(request_id, viewer.id, settings=settings)}
    served = await served_items.find_served(redis, feeds)

    def reason(interaction: Interaction) -> RejectionCode | None:
        if interaction.request_id not in feeds:
            return "unknown_request"
        items = served.get(interaction.request_id)
        if items is not None and not served_items.contains(items, interaction.item_id):
            return "item_not_in_feed"
        return None if (interaction.item_kind, interaction.item_id) in visible else "unknown_item"

    reasons = [reason(interaction) for interaction in batch.interactions]
    accepted = [interaction for interaction, code in zip(batch.interactions, reasons, strict=True) if code is None]
    await _hide(session, viewer=viewer, interactions=accepted)
    received_at = datetime.now(UTC)
    if not viewer.has_tracking_consent:
        # Hides take effect for the user, but no event is emitted.
        rejected = [
            RejectedInteraction(index=index, code="no_consent", field=None) for index in range(len(batch.interactions))
        ]
        return InteractionReceipt(accepted_count=0, rejected=rejected)
    if viewer.personalised:
        await exposures.record(session, user_id=viewer.id, interactions=accepted, received_at=received_at)
    events = [(str(viewer.id), _event(interaction, viewer=viewer, received_at=received_at)) for interaction in accepted]
    await emit_many(SessionRunner(session), topic=INTERACTIONS_TOPIC, events=events)
    rejected = [
        RejectedInteraction(index=index, code=code, field=_FIELDS[code])
        for index, code in enumerate(reasons)
        if code is not None
    ]
    return InteractionReceipt(accepted_count=len(accepted), rejected=rejected)


async def _hide(session: AsyncSession, *, viewer: Viewer, interactions: list[Interaction]) -> None:
    hidden = {
        (interaction.item_kind, interaction.item_id)
        for interaction in interactions
        if interaction.kind is InteractionKind.HIDE
    }
    if not hidden:
        return
    # Sorted, so that concurrent batches of one user cannot deadlock.
    rows = [{"user_id": viewer.id, "item_kind": kind, "item_id": item_id} for kind, item_id in sorted(hidden)]
    await session.execute(insert(HiddenItem).values(rows).on_conflict_do_nothing())
    feedback = RecommendationFeedback
    subject = tuple_(feedback.kind, feedback.item_id)
    wanted = delete(feedback).where(feedback.user_id == viewer.id, feedback.signal == MORE, subject.in_(sorted(hidden)))
    await session.execute(wanted)


def _event(interaction: Interaction, *, viewer: Viewer, received_at: datetime) -> dict[str, object]:
    # The relay assigns the event id; zero satisfies the contract until then.
    event = InteractionEvent(
        event_id=0,
        interaction_id=uuid4(),
        user_id=viewer.id,
        received_at=received_at,
        **interaction.model_dump(),
    )
    return event.model_dump(exclude={"event_id"})
