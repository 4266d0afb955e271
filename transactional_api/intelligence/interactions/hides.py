"""Hidden items of the viewer: hiding, listing and unhiding."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import InteractionEvent, InteractionKind, ReportableKind
from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from transactional_api.core.db.statements import SessionRunner
from transactional_api.core.db.tables import HiddenItem
from transactional_api.core.errors import NotFoundError
from transactional_api.core.outbox import emit
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.interactions.schemas import HiddenItemOut
from transactional_api.intelligence.interactions.titles import read_titles

_TITLE_KINDS: Final = {"user": "author"}


async def list_hidden(
    session: AsyncSession, *, viewer: Viewer, page: PageRequest, kind: ReportableKind | None
) -> Page[HiddenItemOut]:
    """List the viewer's hidden items, newest first."""
    statement = select(
        HiddenItem.item_kind, HiddenItem.item_id, HiddenItem.item_id.label("id"), HiddenItem.created_at
    ).where(HiddenItem.user_id == viewer.id)
    if kind is not None:
        statement = statement.where(HiddenItem.item_kind == kind)
    rows = (await session.execute(page.select(statement, at=HiddenItem.created_at, row_id=HiddenItem.item_id))).all()
    subjects = {row.item_id: (_TITLE_KINDS.get(row.item_kind, row.item_kind), row.item_id) for row in rows}
    titles = await read_titles(session, viewer=viewer, subjects=subjects.values())
    return page.of(
        rows,
        lambda row: HiddenItemOut(
            item_kind=row.item_kind,
            item_id=row.item_id,
            title=titles.get(subjects[row.item_id]),
            hidden_at=row.created_at,
        ),
    )


async def hide(session: AsyncSession, *, viewer: Viewer, item_kind: ReportableKind, item_id: UUID) -> Any:
    """Hide an item outside of a feed, emit the interaction, and return the row; a repetition changes nothing."""
    values = {"user_id": viewer.id, "item_kind": item_kind, "item_id": item_id}
    hidden = await session.scalar(insert(HiddenItem).values(values).on_conflict_do_nothing().returning(HiddenItem.id))
    if hidden is not None:
        await _emit(session, viewer=viewer, kind=InteractionKind.HIDE, item_kind=item_kind, item_id=item_id)
    columns = select(HiddenItem.id, HiddenItem.created_at)
    return (await session.execute(columns.filter_by(**values))).one()


async def unhide(session: AsyncSession, *, viewer: Viewer, item_kind: ReportableKind, item_id: UUID) -> None:
    """Unhide an item, and emit the interaction.

    Raises:
        NotFoundError: when the item is not hidden.
    """
    unhidden = await session.scalar(
        delete(HiddenItem)
        .where(HiddenItem.user_id == viewer.id, HiddenItem.item_kind == item_kind, HiddenItem.item_id == item_id)
        .returning(HiddenItem.item_id)
        .execution_options(synchronize_session=False)
    )
    if unhidden is None:
        raise NotFoundError
    await _emit(session, viewer=viewer, kind=InteractionKind.UNHIDE, item_kind=item_kind, item_id=item_id)


async def _emit(
    session: AsyncSession, *, viewer: Viewer, kind: InteractionKind, item_kind: ReportableKind, item_id: UUID
) -> None:
    if not viewer.has_tracking_consent:
        return
    now = datetime.now(UTC)
    # The relay assigns the event id; zero satisfies the contract until then.
    event = InteractionEvent(
        event_id=0,
        interaction_id=uuid4(),
        user_id=viewer.id,
        kind=kind,
        item_kind=item_kind,
        item_id=item_id,
        request_id=None,
        position=None,
        dwell_ms=None,
        occurred_at=now,
        received_at=now,
    )
    await emit(
        SessionRunner(session),
        topic=INTERACTIONS_TOPIC,
        key=str(viewer.id),
        payload=event.model_dump(exclude={"event_id"}),
    )
