"""How people feel about posts, one reaction each."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.db.tables import Reaction, User
from transactional_api.posts.schemas import ReactionKind, ReactionsOut
from transactional_api.posts.service import access_post
from transactional_api.users import queries as users


async def reactions(session: AsyncSession, *, viewer: Viewer, post_id: UUID) -> ReactionsOut:
    """Count the reactions of people whom the viewer may see; raises ``NotFoundError`` for a post that they may not."""
    await access_post(session, viewer=viewer, post_id=post_id)
    counts = (
        select(Reaction.kind, func.count())
        .join(User, User.id == Reaction.user_id)
        .where(Reaction.post_id == post_id, User.is_active.is_(True), users.not_blocked(viewer, Reaction.user_id))
        .group_by(Reaction.kind)
        .order_by(Reaction.kind)
    )
    mine = select(Reaction.kind).where(Reaction.post_id == post_id, Reaction.user_id == viewer.id)
    rows = (await session.execute(counts)).all()
    found = await session.scalar(mine)
    return ReactionsOut(
        counts={ReactionKind(kind): count for kind, count in rows}, mine=ReactionKind(found) if found else None
    )


async def react(session: AsyncSession, *, viewer: Viewer, post_id: UUID, kind: ReactionKind | None) -> ReactionsOut:
    """Set the viewer's reaction, or take it back where ``kind`` is None."""
    await access_post(session, viewer=viewer, post_id=post_id)
    if kind is None:
        await session.execute(delete(Reaction).where(Reaction.post_id == post_id, Reaction.user_id == viewer.id))
    else:
        statement = insert(Reaction).values(post_id=post_id, user_id=viewer.id, kind=kind)
        await session.execute(
            statement.on_conflict_do_update(index_elements=["post_id", "user_id"], set_={"kind": kind})
        )
    return await reactions(session, viewer=viewer, post_id=post_id)
