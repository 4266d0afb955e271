"""Behaviour: each accepted interaction is an event in the outbox, and a hide also hides."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import InteractionEvent, InteractionKind, ItemKind
from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from transactional_api.auth import Viewer
from transactional_api.cdc.outbox import emit_many
from transactional_api.connectors.queries import may_see as may_see_connector
from transactional_api.db.tables import Connector, HiddenItem, Post
from transactional_api.interactions.schemas import (
    Interaction,
    InteractionBatch,
    InteractionReceipt,
    RejectedInteraction,
)
from transactional_api.posts.queries import may_see as may_see_post


async def record(session: AsyncSession, *, viewer: Viewer, batch: InteractionBatch) -> InteractionReceipt:
    """Take the interactions with items that the viewer may see, and name the others."""
    known = await _visible_items(session, viewer=viewer, batch=batch)
    taken = [one for one in batch.interactions if (one.item_kind, one.item_id) in known]
    await _hide(session, viewer=viewer, interactions=taken)
    received_at = datetime.now(UTC)
    if not viewer.watched:
        # Hiding is for the person, and holds; nothing of it is kept for us.
        refused = [RejectedInteraction(index=at, code="no_consent") for at in range(len(batch.interactions))]
        return InteractionReceipt(accepted=0, rejected=refused)
    events = [(str(viewer.id), _event(one, viewer=viewer, received_at=received_at)) for one in taken]
    await emit_many(session, topic=INTERACTIONS_TOPIC, events=events)
    rejected = [
        RejectedInteraction(index=index, code="unknown_item")
        for index, one in enumerate(batch.interactions)
        if (one.item_kind, one.item_id) not in known
    ]
    return InteractionReceipt(accepted=len(taken), rejected=rejected)


async def _visible_items(
    session: AsyncSession, *, viewer: Viewer, batch: InteractionBatch
) -> set[tuple[ItemKind, UUID]]:
    asked: dict[ItemKind, set[UUID]] = {kind: set() for kind in ItemKind}
    for one in batch.interactions:
        asked[one.item_kind].add(one.item_id)
    statements = {
        ItemKind.POST: select(Post.id)
        .join(Connector, Connector.id == Post.connector_id)
        .where(may_see_post(viewer), Post.id.in_(asked[ItemKind.POST])),
        ItemKind.CONNECTOR: select(Connector.id).where(
            may_see_connector(viewer), Connector.id.in_(asked[ItemKind.CONNECTOR])
        ),
    }
    return {
        (kind, item_id)
        for kind, statement in statements.items()
        if asked[kind]
        for item_id in (await session.scalars(statement)).all()
    }


async def _hide(session: AsyncSession, *, viewer: Viewer, interactions: list[Interaction]) -> None:
    hidden = {(one.item_kind, one.item_id) for one in interactions if one.kind is InteractionKind.HIDE}
    if not hidden:
        return
    # Sorted, so that two batches of one person that hide the same items cannot wait for each other.
    rows = [{"user_id": viewer.id, "item_kind": kind, "item_id": item_id} for kind, item_id in sorted(hidden)]
    await session.execute(insert(HiddenItem).values(rows).on_conflict_do_nothing())


def _event(interaction: Interaction, *, viewer: Viewer, received_at: datetime) -> dict[str, object]:
    # The relay numbers the event when it leaves; the zero only lets the contract check the rest.
    event = InteractionEvent(
        event_id=0,
        interaction_id=uuid4(),
        user_id=viewer.id,
        received_at=received_at,
        **interaction.model_dump(),
    )
    return event.model_dump(exclude={"event_id"})
