"""Visibility of uploads: to their owner, and to users who may see an object that shows them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Uuid,
    and_,
    cast,
    column,
    exists,
    false,
    func,
    literal,
    or_,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.community.chat import queries as chat
from transactional_api.community.connectors import queries as connectors
from transactional_api.community.events import queries as events
from transactional_api.community.marketplace import queries as marketplace
from transactional_api.community.posts import queries as posts
from transactional_api.community.reviews import queries as reviews
from transactional_api.core.db.tables import (
    ChatMessage,
    Comment,
    Connector,
    Conversation,
    Event,
    Invitation,
    MarketplaceItem,
    MediaCaption,
    ModerationCase,
    Post,
    PostVersion,
    Review,
    SellerReview,
    Upload,
    User,
)
from transactional_api.core.documents import DocumentStore, StoredDocument
from transactional_api.core.media.addresses import AVATAR_PATH
from transactional_api.core.moderation import SubjectKind
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users

_COLLECTIONS = ("stories", "reels")
_PAGE = 100


async def is_visible(
    session: AsyncSession, documents: DocumentStore, *, viewer: Viewer, stored: StoredDocument
) -> bool:
    """Return whether a user other than the owner may see a processed upload.

    Required: moderation does not hide it, neither of the two users blocks the other, and the viewer may see a post, a
    post version, a comment, an event, a review of a connector or seller, an
    item, a message, a connector, a story, a reel or a profile that
    shows it. Moderators of the platform also see uploads with an open case, even those that are hidden until it is
    decided.
    """
    media_id, owner_id = stored.id, UUID(stored.document["owner_id"])
    hidden = exists().where(Upload.id == media_id, Upload.is_active.is_(False))
    shown = or_(~hidden, _in_review(media_id)) if viewer.is_moderator else ~hidden
    conditions = _shown_to(viewer, media_id, await _stories_showing(documents, media_id))
    statement = users.visible_to(viewer).with_only_columns(User.id).where(User.id == owner_id, shown, or_(*conditions))
    return await session.scalar(statement) is not None


def _shown_to(viewer: Viewer, media_id: UUID, stories: list[StoredDocument]) -> list[ColumnElement[bool]]:
    of_connector = Post.connector_id == Connector.id
    return [
        User.avatar_url.endswith(AVATAR_PATH.format(media_id=media_id)),
        exists().where(_lists(Post.media_ids, media_id), of_connector, posts.may_see(viewer)),
        exists().where(
            _lists(PostVersion.media_ids, media_id),
            PostVersion.post_id == Post.id,
            of_connector,
            posts.may_see(viewer),
        ),
        exists().where(
            _lists(Comment.media_ids, media_id),
            Comment.is_active.is_(True),
            Comment.post_id == Post.id,
            of_connector,
            posts.may_see(viewer),
            users.not_blocked(viewer, Comment.author_id),
        ),
        exists().where(
            _lists(Event.media_ids, media_id),
            Event.connector_id == Connector.id,
            events.may_see(viewer),
        ),
        exists().where(
            _lists(Review.media_ids, media_id),
            Review.connector_id == Connector.id,
            reviews.may_see(viewer),
        ),
        exists().where(
            _lists(MarketplaceItem.media_ids, media_id),
            MarketplaceItem.connector_id == Connector.id,
            marketplace.may_see(viewer),
        ),
        exists().where(
            _lists(SellerReview.media_ids, media_id),
            SellerReview.is_active.is_(True),
            users.not_blocked(viewer, SellerReview.seller_id),
            users.not_blocked(viewer, SellerReview.buyer_id),
        ),
        exists().where(
            _lists(ChatMessage.media_ids, media_id),
            ChatMessage.deleted_at.is_(None),
            ChatMessage.conversation_id == Conversation.id,
            chat.is_member(viewer),
            users.not_blocked(viewer, ChatMessage.author_id),
        ),
        exists().where(Connector.media_id == media_id, or_(connectors.may_see(viewer), _is_invited(viewer))),
        _in_a_story(viewer, stories),
        *([_in_review(media_id)] if viewer.is_moderator else []),
    ]


def _in_review(media_id: UUID) -> ColumnElement[bool]:
    """Condition: there is an open case about the upload."""
    return exists().where(
        ModerationCase.subject_kind == SubjectKind.UPLOAD.value,
        ModerationCase.subject_id == media_id,
        ModerationCase.state == "open",
    )


def _lists(media_ids: InstrumentedAttribute[Any], media_id: UUID) -> ColumnElement[bool]:
    # The indexes are partial: the condition on empty lists lets PostgreSQL use them.
    return and_(media_ids != text("'[]'::jsonb"), media_ids.contains([str(media_id)]))


def _is_invited(viewer: Viewer) -> ColumnElement[bool]:
    """Condition: the viewer has a visible invitation to the connector of the enclosing statement."""
    invited = exists().where(
        Invitation.connector_id == Connector.id,
        Invitation.user_id == viewer.id,
        users.not_blocked(viewer, Invitation.invited_by),
    )
    return Connector.is_active.is_(True) & invited.correlate_except(Invitation)


def _in_a_story(viewer: Viewer, stories: list[StoredDocument]) -> ColumnElement[bool]:
    """Condition: the viewer may see one of the stories or reels, whose author is the owner of the upload."""
    if not stories:
        return false()
    ids = literal([story.id for story in stories], ARRAY(Uuid()))
    connector_ids = literal([UUID(story.document["connector_id"]) for story in stories], ARRAY(Uuid()))
    pair = (column("id", Uuid()), column("connector_id", Uuid()))
    story = (
        func.unnest(cast(ids, ARRAY(Uuid())), cast(connector_ids, ARRAY(Uuid())))
        .table_valued(*pair, name="story")
        .render_derived()
    )
    hidden = exists().where(MediaCaption.id == story.c.id, MediaCaption.is_active.is_(False))
    return exists().where(
        Connector.id == story.c.connector_id, connectors.may_see(viewer), ~hidden.correlate_except(MediaCaption)
    )


async def _stories_showing(documents: DocumentStore, media_id: UUID) -> list[StoredDocument]:
    """Return the stories and reels that show an upload and did not expire."""
    shown: list[StoredDocument] = []
    for collection in _COLLECTIONS:
        before = None
        while page := await documents.find(
            collection, matching={"media_id": str(media_id)}, limit=_PAGE, before=before
        ):
            shown += page
            before = (page[-1].created_at, page[-1].id)
            if len(page) < _PAGE:
                break
    return shown
