"""What can be reported: where it is, whose it is, what it says, who may see it, and how it is hidden and shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.db.tables import (
    ChatMessage,
    Comment,
    Connector,
    ConversationMember,
    Event,
    MarketplaceItem,
    Post,
    Review,
    Upload,
    User,
)
from transactional_api.events import queries as events
from transactional_api.marketplace import queries as marketplace
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.posts import queries as posts
from transactional_api.reviews import queries as reviews
from transactional_api.users import queries as users

MAX_WORDS = 10_000
"""A case keeps so many characters of what was said, and the content model looks at half of them."""
MAX_LOOKED_AT = 5_000

Counted = tuple[InstrumentedAttribute[UUID], InstrumentedAttribute[UUID], InstrumentedAttribute[int]]
"""The key of the row that counts, that row's id, and its counter."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One kind. ``counted_in`` is the counter of another row that a hidden one does not count in."""

    row_id: InstrumentedAttribute[UUID]
    owner: InstrumentedAttribute[Any]
    words: tuple[InstrumentedAttribute[Any], ...]
    visible: Callable[[Viewer], Select[Any]]
    is_active: InstrumentedAttribute[bool] | None
    counted_in: Counted | None = None

    async def find(self, session: AsyncSession, *, viewer: Viewer, subject_id: UUID) -> Any | None:
        """Return the ``owner_id`` and ``words`` of one that the viewer may see, or None."""
        said = func.concat_ws("\n", *self.words).label("words")
        columns = (self.owner.label("owner_id"), said)
        statement = self.visible(viewer).with_only_columns(*columns).where(self.row_id == subject_id)
        return (await session.execute(statement)).one_or_none()

    async def show(self, session: AsyncSession, *, subject_id: UUID, on: bool) -> bool:
        """Hide one from everybody, or show it again; tells whether that changed anything."""
        if self.is_active is None:
            return False
        table = self.row_id.class_
        changed = (
            update(table).where(self.row_id == subject_id, self.is_active.is_(not on)).values(is_active=on)
        ).execution_options(synchronize_session=False)
        if self.counted_in is None:
            return await session.scalar(changed.returning(self.row_id)) is not None
        key, counted_id, counter = self.counted_in
        of = await session.scalar(changed.returning(key))
        if of is None:
            return False
        count = update(counter.class_).where(counted_id == of).values({counter: counter + (1 if on else -1)})
        await session.execute(count.execution_options(synchronize_session=False))
        return True


def _of_connector(table: Any, connector_id: Any, seen: Callable[[Viewer], ColumnElement[bool]]) -> Any:
    def visible(viewer: Viewer) -> Select[Any]:
        return select(table).join(Connector, Connector.id == connector_id).where(seen(viewer))

    return visible


def _reviews(viewer: Viewer) -> Select[Any]:
    joined = select(Review).join(Connector, Connector.id == Review.connector_id)
    return joined.join(User, User.id == Review.reviewer_id).where(reviews.may_see(viewer))


def _comments(viewer: Viewer) -> Select[Any]:
    joined = select(Comment).join(Post, Post.id == Comment.post_id).join(Connector, Connector.id == Post.connector_id)
    return joined.where(
        posts.may_see(viewer), Comment.is_active.is_(True), users.not_blocked(viewer, Comment.author_id)
    )


def _messages(viewer: Viewer) -> Select[Any]:
    mine = and_(
        ConversationMember.conversation_id == ChatMessage.conversation_id, ConversationMember.user_id == viewer.id
    )
    return select(ChatMessage).where(exists().where(mine).correlate(ChatMessage), ChatMessage.deleted_at.is_(None))


def _uploads(viewer: Viewer) -> Select[Any]:
    shown = Upload.owner_id.in_(users.visible_to(viewer).with_only_columns(User.id))
    return select(Upload).where(Upload.is_active.is_(True), shown)


SUBJECTS = {
    SubjectKind.USER: Subject(
        User.id, User.id, (User.username, User.first_name, User.last_name), users.visible_to, None
    ),
    SubjectKind.CONNECTOR: Subject(
        Connector.id,
        Connector.created_by,
        (Connector.name, Connector.description),
        connectors.visible_to,
        Connector.is_active,
    ),
    SubjectKind.POST: Subject(
        Post.id,
        Post.author_id,
        (Post.title, Post.content),
        _of_connector(Post, Post.connector_id, posts.may_see),
        Post.is_active,
        (Post.connector_id, Connector.id, Connector.post_count),
    ),
    SubjectKind.COMMENT: Subject(
        Comment.id,
        Comment.author_id,
        (Comment.content,),
        _comments,
        Comment.is_active,
        (Comment.post_id, Post.id, Post.comments_count),
    ),
    SubjectKind.EVENT: Subject(
        Event.id,
        Event.created_by,
        (Event.title, Event.description),
        _of_connector(Event, Event.connector_id, events.may_see),
        Event.is_active,
    ),
    SubjectKind.ITEM: Subject(
        MarketplaceItem.id,
        MarketplaceItem.seller_id,
        (MarketplaceItem.title, MarketplaceItem.description),
        _of_connector(MarketplaceItem, MarketplaceItem.connector_id, marketplace.may_see),
        MarketplaceItem.is_active,
    ),
    SubjectKind.REVIEW: Subject(
        Review.id, Review.reviewer_id, (Review.title, Review.content), _reviews, Review.is_active
    ),
    SubjectKind.UPLOAD: Subject(Upload.id, Upload.owner_id, (Upload.words,), _uploads, Upload.is_active),
    SubjectKind.MESSAGE: Subject(ChatMessage.id, ChatMessage.author_id, (ChatMessage.content,), _messages, None),
}
"""Messages are read by those in the conversation alone, and people are suspended: neither is hidden."""
