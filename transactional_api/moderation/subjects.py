"""What can be reported: where it is, whose it is, what it says, who may see it, and how it is hidden and shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from neighborconnect.contracts.content import Verdict
from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.db.tables import (
    ChatMessage,
    Comment,
    Connector,
    ConversationMember,
    Event,
    MarketplaceItem,
    MediaCaption,
    OAuthApp,
    Post,
    Review,
    SellerReview,
    Upload,
    User,
)
from transactional_api.events import queries as events
from transactional_api.marketplace import queries as marketplace
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.posts import queries as posts
from transactional_api.reviews import queries as reviews
from transactional_api.users import queries as users

MAX_WORDS = 20_000
"""Characters of a text that a case stores; more than any text that is screened may have."""

PART_CHARACTERS, PART_OVERLAP = 5_000, 200
"""The content model is asked about parts of a text; the overlap is so that no phrase is cut in two."""
SEVERITY = {Verdict.ALLOW: 0, Verdict.REVIEW: 1, Verdict.BLOCK: 2}

Counted = tuple[InstrumentedAttribute[UUID], InstrumentedAttribute[UUID], InstrumentedAttribute[int]]
"""The key of the row that counts, that row's id, and its counter."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One kind. ``counted_in`` is the counter of another row that a hidden one does not count in."""

    row_id: InstrumentedAttribute[UUID]
    owner: InstrumentedAttribute[Any]
    words: tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...]
    visible: Callable[[Viewer], Select[Any]]
    is_active: InstrumentedAttribute[bool] | None
    counted_in: Counted | None = None
    may_hold: ColumnElement[bool] | None = None
    """Condition for hiding one without a moderator; always when None."""

    @property
    def said(self) -> ColumnElement[str]:
        """The words of the row of the enclosing statement, one text a line."""
        return func.concat_ws("\n", *self.words)

    async def find(self, session: AsyncSession, *, viewer: Viewer, subject_id: UUID) -> Any | None:
        """Return the ``owner_id`` and ``words`` of one that the viewer may see, or None."""
        columns = (self.owner.label("owner_id"), self.said.label("words"))
        statement = self.visible(viewer).with_only_columns(*columns).where(self.row_id == subject_id)
        return (await session.execute(statement)).one_or_none()

    async def hold(self, session: AsyncSession, *, subject_id: UUID) -> bool:
        """Hide one until a moderator decides, where that may be; tells whether it is hidden for it."""
        if self.may_hold is not None and not await session.scalar(
            select(self.may_hold).where(self.row_id == subject_id)
        ):
            return False
        return await self.show(session, subject_id=subject_id, on=False)

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


def parts_of(text: str) -> list[tuple[int, str]]:
    """Return the overlapping parts that cover a text, each with the place of its first character."""
    step = PART_CHARACTERS - PART_OVERLAP
    return [(at, text[at : at + PART_CHARACTERS]) for at in range(0, max(1, len(text) - PART_OVERLAP), step)]


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


def _captions(kind: SubjectKind) -> Callable[[Viewer], Select[Any]]:
    def visible(viewer: Viewer) -> Select[Any]:
        unexpired = or_(MediaCaption.expires_at.is_(None), MediaCaption.expires_at > func.now())
        shown = MediaCaption.author_id.in_(users.visible_to(viewer).with_only_columns(User.id))
        joined = select(MediaCaption).join(Connector, Connector.id == MediaCaption.connector_id)
        return joined.where(
            MediaCaption.kind == kind.value,
            MediaCaption.is_active.is_(True),
            unexpired,
            shown,
            connectors.may_see(viewer),
        )

    return visible


def _seller_reviews(viewer: Viewer) -> Select[Any]:
    shown = SellerReview.buyer_id.in_(users.visible_to(viewer).with_only_columns(User.id))
    return select(SellerReview).where(SellerReview.is_active.is_(True), shown)


def _apps(viewer: Viewer) -> Select[Any]:
    return select(OAuthApp).where(users.not_blocked(viewer, OAuthApp.owner_id))


_interest = func.jsonb_array_elements_text(User.interests).column_valued("interest")
_INTERESTS = select(func.string_agg(_interest, ", ")).correlate(User).scalar_subquery()


def _caption(kind: SubjectKind) -> Subject:
    return Subject(
        MediaCaption.id, MediaCaption.author_id, (MediaCaption.words,), _captions(kind), MediaCaption.is_active
    )


SUBJECTS = {
    SubjectKind.USER: Subject(
        User.id,
        User.id,
        (User.username, User.first_name, User.last_name, User.neighborhood, User.city, _INTERESTS),
        users.visible_to,
        None,
    ),
    SubjectKind.CONNECTOR: Subject(
        Connector.id,
        Connector.created_by,
        (Connector.name, Connector.category, Connector.description, Connector.rules),
        connectors.visible_to,
        Connector.is_active,
        # A false alarm must not close a place that others belong to; a moderator may.
        may_hold=Connector.member_count <= 1,
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
        (Event.title, Event.description, Event.location),
        _of_connector(Event, Event.connector_id, events.may_see),
        Event.is_active,
    ),
    SubjectKind.ITEM: Subject(
        MarketplaceItem.id,
        MarketplaceItem.seller_id,
        (MarketplaceItem.title, MarketplaceItem.description, MarketplaceItem.category),
        _of_connector(MarketplaceItem, MarketplaceItem.connector_id, marketplace.may_see),
        MarketplaceItem.is_active,
    ),
    SubjectKind.REVIEW: Subject(
        Review.id, Review.reviewer_id, (Review.title, Review.content), _reviews, Review.is_active
    ),
    SubjectKind.UPLOAD: Subject(Upload.id, Upload.owner_id, (Upload.words,), _uploads, Upload.is_active),
    SubjectKind.STORY: _caption(SubjectKind.STORY),
    SubjectKind.REEL: _caption(SubjectKind.REEL),
    SubjectKind.SELLER_REVIEW: Subject(
        SellerReview.id, SellerReview.buyer_id, (SellerReview.content,), _seller_reviews, SellerReview.is_active
    ),
    SubjectKind.APP: Subject(OAuthApp.id, OAuthApp.owner_id, (OAuthApp.name,), _apps, None),
    SubjectKind.MESSAGE: Subject(ChatMessage.id, ChatMessage.author_id, (ChatMessage.content,), _messages, None),
}
"""Messages are read by those in the conversation alone, and people are suspended, with their apps: none is hidden."""
