"""Feedback of the viewer on recommendations: giving, listing and undoing it.

``less_like_this`` is a hide (``interactions.hides``): the item is not served again, and what is like it comes less.
``more_like_this`` has the opposite effect on what is like the item. A mute leaves out all of a category, a connector or
an author. The latest signal on an item is the one that counts.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator
from sqlalchemy import case, delete, func, literal_column, null, select, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import ItemKind, ReportableKind
from neighborconnect.feed.interests import category_key
from transactional_api.community.connectors import queries as connectors
from transactional_api.core.db.tables import Connector, HiddenItem, RecommendationFeedback
from transactional_api.core.documents import DocumentStore
from transactional_api.core.errors import NotFoundError
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.text import Line, RequestBody
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.interactions import hides
from transactional_api.intelligence.interactions.titles import read_titles
from transactional_api.intelligence.interactions.visible_items import find_visible
from transactional_api.intelligence.recommendations import queries

_SUBJECT: Final = "uq_recommendation_feedback_subject"
_ID: Final = "7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"


class FeedbackKind(StrEnum):
    """Kind of what feedback is about."""

    POST = "post"
    CONNECTOR = "connector"
    EVENT = "event"
    ITEM = "item"
    AUTHOR = "author"
    CATEGORY = "category"


class FeedbackSignal(StrEnum):
    """Wish of a person for recommendations."""

    MORE = queries.MORE
    LESS = "less_like_this"
    MUTE = queries.MUTE


_ITEMS: Final = frozenset(FeedbackKind(kind.value) for kind in ItemKind)
_MUTABLE: Final = frozenset({FeedbackKind.CATEGORY, FeedbackKind.CONNECTOR, FeedbackKind.AUTHOR})


class FeedbackBody(RequestBody):
    """Feedback on an item, an author or a category."""

    kind: FeedbackKind = Field(examples=["post"])
    id: UUID | None = Field(default=None, description="Of the item or author.", examples=[_ID])
    category: Annotated[Line, StringConstraints(min_length=1, max_length=100)] | None = Field(
        default=None, description="Of connectors; in place of `id` if `kind` is `category`.", examples=[None]
    )
    signal: FeedbackSignal = Field(
        description="`more_like_this` and `less_like_this` for items; `mute` for a category, connector or author.",
        examples=["less_like_this"],
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        has_category = self.kind is FeedbackKind.CATEGORY
        if (self.category is not None) != has_category or (self.id is not None) == has_category:
            raise ValueError("category is required for a category, id for every other kind, and never both")
        if self.kind not in (_MUTABLE if self.signal is FeedbackSignal.MUTE else _ITEMS):
            raise ValueError("Items get more_like_this or less_like_this; categories, connectors and authors are muted")
        return self


class FeedbackOut(BaseModel):
    """Feedback in force."""

    feedback_id: UUID = Field(examples=["5b0c7f0e-5d0e-4a53-9f57-4b6a0f6f6f11"])
    kind: FeedbackKind = Field(examples=["post"])
    id: UUID | None = Field(description="Of the item or author; null for a category.", examples=[_ID])
    category: str | None = Field(description="In lower case; null for other kinds.", examples=[None])
    title: str | None = Field(
        description="Title or name of the item, username of the author, or the category; null if not visible.",
        examples=["Help with leeks please"],
    )
    signal: FeedbackSignal = Field(examples=["less_like_this"])
    created_at: datetime = Field(examples=["2026-03-03T08:00:00Z"])


async def give(session: AsyncSession, *, viewer: Viewer, body: FeedbackBody, documents: DocumentStore) -> FeedbackOut:
    """Store feedback in place of earlier feedback on the same; a repetition changes nothing.

    Raises:
        NotFoundError: the viewer does not see the item or author, or no connector of the category.
    """
    if not await _is_visible(session, viewer=viewer, body=body, documents=documents):
        raise NotFoundError
    feedback = RecommendationFeedback
    if body.id is not None and body.signal is not FeedbackSignal.MUTE:
        item_kind = ReportableKind(body.kind.value)
        if body.signal is FeedbackSignal.LESS:
            await session.execute(
                delete(feedback).where(
                    feedback.user_id == viewer.id,
                    feedback.kind == body.kind,
                    feedback.item_id == body.id,
                    feedback.signal == FeedbackSignal.MORE,
                )
            )
            hidden = await hides.hide(session, viewer=viewer, item_kind=item_kind, item_id=body.id)
            return await _out(session, hidden, viewer=viewer, body=body, category=None)
        with suppress(NotFoundError):
            await hides.unhide(session, viewer=viewer, item_kind=item_kind, item_id=body.id)
    is_author = body.kind is FeedbackKind.AUTHOR
    statement = insert(feedback).values(
        user_id=viewer.id,
        kind=body.kind,
        item_id=None if is_author else body.id,
        author_id=body.id if is_author else None,
        category=None if body.category is None else func.search_fold(body.category),
        signal=body.signal,
    )
    is_same = feedback.signal == statement.excluded.signal
    changes = {
        "signal": statement.excluded.signal,
        "created_at": case((is_same, feedback.created_at), else_=func.now()),
    }
    stored = statement.on_conflict_do_update(constraint=_SUBJECT, set_=changes).returning(
        feedback.id, feedback.created_at, feedback.category
    )
    row = (await session.execute(stored)).one()
    return await _out(session, row, viewer=viewer, body=body, category=row.category)


async def list_feedback(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[FeedbackOut]:
    """List the viewer's feedback, including hidden items, newest first."""
    feedback = RecommendationFeedback
    every: Any = union_all(
        select(
            feedback.id,
            feedback.kind,
            func.coalesce(feedback.item_id, feedback.author_id).label("subject_id"),
            feedback.category,
            feedback.signal,
            feedback.created_at,
        ).where(feedback.user_id == viewer.id),
        select(
            HiddenItem.id,
            HiddenItem.item_kind,
            HiddenItem.item_id,
            null(),
            literal_column(f"'{FeedbackSignal.LESS}'"),
            HiddenItem.created_at,
        ).where(HiddenItem.user_id == viewer.id, HiddenItem.item_kind.in_(ItemKind)),
    ).subquery()
    rows = (await session.execute(page.select(select(every), at=every.c.created_at, row_id=every.c.id))).all()
    titles = await read_titles(session, viewer=viewer, subjects=[(row.kind, row.subject_id) for row in rows])
    return page.of(
        rows,
        lambda row: FeedbackOut(
            feedback_id=row.id,
            kind=row.kind,
            id=row.subject_id,
            category=row.category,
            title=row.category or titles.get((row.kind, row.subject_id)),
            signal=row.signal,
            created_at=row.created_at,
        ),
    )


async def undo(session: AsyncSession, *, viewer: Viewer, feedback_id: UUID) -> None:
    """Undo feedback of the viewer, also a hide.

    Raises:
        NotFoundError: the viewer has no such feedback.
    """
    feedback = RecommendationFeedback
    own = delete(feedback).where(feedback.user_id == viewer.id, feedback.id == feedback_id).returning(feedback.id)
    if await session.scalar(own) is not None:
        return
    hidden = select(HiddenItem.item_kind, HiddenItem.item_id).where(
        HiddenItem.user_id == viewer.id, HiddenItem.id == feedback_id
    )
    row = (await session.execute(hidden)).one_or_none()
    if row is None:
        raise NotFoundError
    await hides.unhide(session, viewer=viewer, item_kind=ReportableKind(row.item_kind), item_id=row.item_id)


async def _out(
    session: AsyncSession, row: Any, *, viewer: Viewer, body: FeedbackBody, category: str | None
) -> FeedbackOut:
    titles = await read_titles(session, viewer=viewer, subjects=[(body.kind.value, body.id)])
    return FeedbackOut(
        feedback_id=row.id,
        kind=body.kind,
        id=body.id,
        category=category,
        title=category or next(iter(titles.values()), None),
        signal=body.signal,
        created_at=row.created_at,
    )


async def _is_visible(session: AsyncSession, *, viewer: Viewer, body: FeedbackBody, documents: DocumentStore) -> bool:
    if body.id is None:
        folded = category_key(body.category or "")
        in_category = connectors.visible_to(viewer).where(func.search_fold(Connector.category) == folded)
        return await session.scalar(in_category.with_only_columns(Connector.id).limit(1)) is not None
    if body.id == viewer.id:
        return False
    kind = ReportableKind.USER if body.kind is FeedbackKind.AUTHOR else ReportableKind(body.kind.value)
    return bool(await find_visible(session, viewer=viewer, documents=documents, item_ids={kind: [body.id]}))
