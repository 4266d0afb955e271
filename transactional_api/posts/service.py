"""Posts and their likes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import service as connectors
from transactional_api.connectors.access import door
from transactional_api.connectors.schemas import TENDS, Posting, Role
from transactional_api.db.plain import Ready
from transactional_api.db.tables import Connector, PinnedPost, Post, PostLike, PostVersion
from transactional_api.errors import ForbiddenError, NotFoundError
from transactional_api.moderation import screening
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.paging import Page, PageRequest
from transactional_api.posts import queries, words
from transactional_api.posts.schemas import LikeOut, NewPost, PostBody, PostOut, VersionOut
from transactional_api.prepared import SOMEONE, Listing, parameter

_ONE = Ready(queries.visible_to(SOMEONE).where(Post.id == parameter("post_id")))
_OF_CONNECTOR = Listing.of(
    queries.visible_to(SOMEONE).where(Post.connector_id == parameter("connector_id")),
    at=Post.created_at,
    row_id=Post.id,
)


@dataclass(frozen=True, slots=True)
class Access:
    """A post that the viewer may see, and what they are to it."""

    connector_id: UUID
    author_id: UUID
    is_author: bool
    role: Role | None

    @property
    def may_edit(self) -> bool:
        """Whether the viewer wrote the post or tends its connector."""
        return self.is_author or self.role in TENDS


async def access_post(session: AsyncSession, *, viewer: Viewer, post_id: UUID) -> Access:
    """Find a post; raises ``NotFoundError`` when the viewer may not see it."""
    row = (await session.execute(queries.with_role(viewer, post_id=post_id))).one_or_none()
    if row is None:
        raise NotFoundError
    role = Role(row.role) if row.role else None
    return Access(
        connector_id=row.connector_id, author_id=row.author_id, is_author=row.author_id == viewer.id, role=role
    )


async def create(session: AsyncSession, *, viewer: Viewer, body: NewPost) -> PostOut:
    """Write a post in a connector that the viewer belongs to.

    Raises:
        NotFoundError: when the viewer may not see the connector.
        ForbiddenError: when they see it but do not belong to it, or only its moderators post.
    """
    connector = await connectors.get(session, viewer=viewer, connector_id=body.connector_id)
    if connector.role is None:
        raise ForbiddenError("Join the connector to post in it")
    if connector.settings.posting is Posting.MODERATORS and connector.role not in TENDS:
        raise ForbiddenError("Only moderators and admins post here")
    post_id = await session.scalar(insert(Post).values(**body.model_dump(), author_id=viewer.id).returning(Post.id))
    await _count_posts(session, connector_id=body.connector_id, change=1)
    assert post_id is not None  # noqa: S101 (the insert returned it)
    await words.tag(session, post_id=post_id, body=body)
    await words.mention(session, viewer=viewer, post_id=post_id, text=body.content)
    await screening.screen(session, SubjectKind.POST, post_id)
    await notify(
        session,
        Notice(
            kind=NoticeKind.POST_CREATED,
            actor_id=viewer.id,
            subject_kind="post",
            subject_id=post_id,
            title=f"New in {connector.name}"[:200],
            body=(body.title or body.content)[:200],
            connector_id=body.connector_id,
        ),
    )
    return await get(session, viewer=viewer, post_id=post_id)


async def get(session: AsyncSession, *, viewer: Viewer, post_id: UUID) -> PostOut:
    """Return a post; raises ``NotFoundError`` when the viewer may not see it."""
    row = await _ONE.one_or_none(session, viewer_id=viewer.id, post_id=post_id)
    if row is None:
        raise NotFoundError
    return PostOut.model_validate(row, from_attributes=True)


async def list_by_connector(
    session: AsyncSession, *, viewer: Viewer, connector_id: UUID, page: PageRequest
) -> Page[PostOut]:
    """List a connector's posts, the newest first; raises ``NotFoundError`` when the viewer may not see it."""
    behind = door(viewer, connector_id)
    rows = await _OF_CONNECTOR.rows(session, page=page, door=behind, viewer_id=viewer.id, connector_id=connector_id)
    return page.of(rows, lambda row: PostOut.model_validate(row, from_attributes=True))


async def history(session: AsyncSession, *, viewer: Viewer, post_id: UUID, page: PageRequest) -> Page[VersionOut]:
    """List what a post said before, the newest first; raises ``NotFoundError`` when the viewer may not see it."""
    await access_post(session, viewer=viewer, post_id=post_id)
    versions = select(PostVersion).where(PostVersion.post_id == post_id)
    rows = (await session.scalars(page.select(versions, at=PostVersion.created_at, row_id=PostVersion.id))).all()
    return page.of(rows, lambda row: VersionOut.model_validate(row, from_attributes=True))


async def replace(session: AsyncSession, *, viewer: Viewer, post_id: UUID, body: PostBody) -> PostOut:
    """Replace a post's words, keeping what it said; for its author and for who tends the connector."""
    await _access_to_edit(session, viewer=viewer, post_id=post_id)
    said = (Post.content, Post.title, Post.image_url)
    before = (await session.execute(select(*said).where(Post.id == post_id).with_for_update())).one()
    if before._asdict() != body.model_dump():
        await session.execute(insert(PostVersion).values(post_id=post_id, editor_id=viewer.id, **before._asdict()))
        await session.execute(
            update(Post).where(Post.id == post_id).values(**body.model_dump(), updated_at=datetime.now(UTC))
        )
        await words.tag(session, post_id=post_id, body=body)
        await screening.screen(session, SubjectKind.POST, post_id)
    return await get(session, viewer=viewer, post_id=post_id)


async def remove(session: AsyncSession, *, viewer: Viewer, post_id: UUID) -> None:
    """Take a post away; for its author and for who tends the connector."""
    access = await _access_to_edit(session, viewer=viewer, post_id=post_id)
    removed = await session.scalar(
        update(Post)
        .where(Post.id == post_id, Post.is_active.is_(True))
        .values(is_active=False, updated_at=datetime.now(UTC))
        .returning(Post.id)
    )
    if removed is None:  # Somebody else removed it in this very moment.
        raise NotFoundError
    await session.execute(delete(PinnedPost).where(PinnedPost.post_id == post_id))
    await _count_posts(session, connector_id=access.connector_id, change=-1)


async def like(session: AsyncSession, *, viewer: Viewer, post_id: UUID) -> LikeOut:
    """Like a post that the viewer may see; liking twice changes nothing."""
    access = await access_post(session, viewer=viewer, post_id=post_id)
    added = await session.scalar(
        upsert(PostLike).values(post_id=post_id, user_id=viewer.id).on_conflict_do_nothing().returning(PostLike.id)
    )
    if added is not None and not access.is_author:
        await notify(
            session,
            Notice(
                # A like that is taken back and given again is the same news.
                id=uuid5(post_id, str(viewer.id)),
                kind=NoticeKind.POST_LIKED,
                actor_id=viewer.id,
                subject_kind="post",
                subject_id=post_id,
                title="A neighbour likes your post",
                user_ids=[access.author_id],
            ),
        )
    return await _count_likes(session, post_id=post_id, change=0 if added is None else 1, liked=True)


async def unlike(session: AsyncSession, *, viewer: Viewer, post_id: UUID) -> LikeOut:
    """Take a like back; without one nothing changes."""
    await access_post(session, viewer=viewer, post_id=post_id)
    removed = await session.scalar(
        delete(PostLike).where(PostLike.post_id == post_id, PostLike.user_id == viewer.id).returning(PostLike.id)
    )
    return await _count_likes(session, post_id=post_id, change=0 if removed is None else -1, liked=False)


async def _access_to_edit(session: AsyncSession, *, viewer: Viewer, post_id: UUID) -> Access:
    access = await access_post(session, viewer=viewer, post_id=post_id)
    if not access.may_edit:
        raise ForbiddenError("Only its author, a moderator or an admin may change a post")
    return access


async def _count_posts(session: AsyncSession, *, connector_id: UUID, change: int) -> None:
    await session.execute(
        update(Connector)
        .where(Connector.id == connector_id)
        .values(post_count=Connector.post_count + change)
        .execution_options(synchronize_session=False)
    )


async def _count_likes(session: AsyncSession, *, post_id: UUID, change: int, liked: bool) -> LikeOut:
    if change:
        statement = update(Post).where(Post.id == post_id).values(likes_count=Post.likes_count + change)
        count = await session.scalar(statement.returning(Post.likes_count))
    else:
        count = await session.scalar(select(Post.likes_count).where(Post.id == post_id))
    return LikeOut(post_id=post_id, liked=liked, likes_count=count or 0)
