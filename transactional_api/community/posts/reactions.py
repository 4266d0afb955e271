"""Likes and reactions: one mechanism for each reversible opinion of a post or a comment.

A type of reaction declares its table, counter and notice; nothing else writes these tables, except the erasure of an
account. A like is a reaction of one kind. Likes and reactions are separate types, since a user can have both to a post,
and each has its own table, which is its change stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, and_, delete, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.core.db.tables import Comment, CommentLike, Post, PostLike, Reaction
from transactional_api.core.notices import Notice, NoticeKind, notify
from transactional_api.core.viewer import Viewer


@dataclass(frozen=True, slots=True)
class ReactionType:
    """Type of reaction, of which a user has at most one per subject.

    Attributes:
        rows: table of the reactions.
        subject_id: column of ``rows`` that references the subject.
        subject: what is reacted to.
        notice: kind of the notice to the subject's author.
        kind: column of ``rows`` with the chosen kind; None for likes.
        counter: number of rows, stored with the subject; None if the reactions are counted when they are read.
        notice_seed: prefix that separates the notices of two types about one subject.
    """

    rows: type[PostLike | CommentLike | Reaction]
    subject_id: InstrumentedAttribute[UUID]
    subject: type[Post | Comment]
    notice: NoticeKind
    # A column in a field is a descriptor, whose type would be that of its values.
    kind: Any = None
    counter: Any = None
    notice_seed: str = ""

    def is_by(self, user_id: Any, *, subject_id: Any) -> ColumnElement[bool]:
        """Condition on ``rows``: the reaction of one user to one subject; both are values or columns."""
        return and_(self.subject_id == subject_id, self.rows.user_id == user_id)


POST_LIKE = ReactionType(PostLike, PostLike.post_id, Post, NoticeKind.POST_LIKED, counter=Post.likes_count)
POST_REACTION = ReactionType(
    Reaction, Reaction.post_id, Post, NoticeKind.POST_REACTED, kind=Reaction.kind, notice_seed="reaction "
)
COMMENT_LIKE = ReactionType(
    CommentLike, CommentLike.comment_id, Comment, NoticeKind.COMMENT_LIKED, counter=Comment.likes_count
)
REACTION_TYPES = (POST_LIKE, POST_REACTION, COMMENT_LIKE)


class Outcome(NamedTuple):
    """Result of a write.

    Attributes:
        changed: whether a reaction was added or removed; false for another kind of the same reaction.
        total: stored number of reactions to the subject; 0 if the type has no counter.
    """

    changed: bool
    total: int


async def add(
    session: AsyncSession,
    reaction_type: ReactionType,
    *,
    viewer: Viewer,
    author_id: UUID,
    post_id: UUID,
    comment_id: UUID | None = None,
    kind: str | None = None,
) -> Outcome:
    """Set the viewer's reaction to a post, or to one of its comments, that the caller has checked the access to.

    Its author is notified of the first reaction, and not again of one that was removed and set again.
    """
    subject_id = comment_id or post_id
    values: dict[str, Any] = {reaction_type.subject_id.key: subject_id, "user_id": viewer.id}
    if reaction_type.kind is None:
        upsert = insert(reaction_type.rows).values(values).on_conflict_do_nothing()
    else:
        upsert = (
            insert(reaction_type.rows)
            .values(values | {"kind": kind})
            .on_conflict_do_update(index_elements=list(values), set_={"kind": kind}, where=reaction_type.kind != kind)
        )
    # Of a row that was inserted and not updated, the system column xmax is 0.
    added = bool(await session.scalar(upsert.returning(literal_column("xmax = 0"))))
    if added and author_id != viewer.id:
        await notify(
            session,
            Notice(
                # Deterministic: the recipient receives a notice with the same id once.
                id=uuid5(subject_id, f"{reaction_type.notice_seed}{viewer.id}"),
                kind=reaction_type.notice,
                actor_id=viewer.id,
                subject_kind="post",
                subject_id=post_id,
                source_kind=None if comment_id is None else "comment",
                source_id=comment_id,
                user_ids=[author_id],
            ),
        )
    return Outcome(added, await _count(session, reaction_type, subject_id=subject_id, change=int(added)))


async def remove(session: AsyncSession, reaction_type: ReactionType, *, viewer: Viewer, subject_id: UUID) -> Outcome:
    """Remove the viewer's reaction, whether or not they can still see the subject."""
    statement = delete(reaction_type.rows).where(reaction_type.is_by(viewer.id, subject_id=subject_id))
    removed = await session.scalar(statement.returning(reaction_type.rows.id)) is not None
    return Outcome(removed, await _count(session, reaction_type, subject_id=subject_id, change=-int(removed)))


async def _count(session: AsyncSession, reaction_type: ReactionType, *, subject_id: UUID, change: int) -> int:
    """Change the stored counter of the subject, and return it."""
    counter, subject = reaction_type.counter, reaction_type.subject
    if counter is None:
        return 0
    if change:
        statement = update(subject).where(subject.id == subject_id).values({counter: counter + change})
        return int(await session.scalar(statement.returning(counter)) or 0)
    return int(await session.scalar(select(counter).where(subject.id == subject_id)) or 0)
