"""Mentions: notify the users that a text names, once per subject, if they may see it."""

from __future__ import annotations

from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import User
from transactional_api.core.moderation import SubjectKind
from transactional_api.core.notices import Notice, NoticeKind, notify
from transactional_api.core.viewer import is_account_active
from transactional_api.identity.users.usernames import mentions_in

MAX_MENTIONS = 20


async def mention(
    session: AsyncSession,
    *,
    actor_id: UUID,
    subject: tuple[SubjectKind, UUID],
    text: str,
    before: str = "",
    source: tuple[SubjectKind, UUID] | None = None,
) -> None:
    """Notify the users that ``text`` mentions and ``before`` did not.

    Args:
        session: the notification is sent when its transaction commits.
        actor_id: the author.
        subject: the subject that the notification links to. Repeated mentions by one author on one subject
            notify once.
        text: the current text.
        before: the text before an edit.
        source: the text if it is not the subject itself, such as a comment on a post.
    """
    present = set(mentions_in(before))
    names = [name for name in mentions_in(text)[:MAX_MENTIONS] if name not in present]
    if not names:
        return
    user_ids = list(await session.scalars(select(User.id).where(User.username.in_(names), is_account_active())))
    if not user_ids:
        return
    kind, subject_id = subject
    await notify(
        session,
        Notice(
            id=uuid5(subject_id, f"mention {actor_id}"),
            kind=NoticeKind.MENTIONED,
            actor_id=actor_id,
            subject_kind=kind,
            subject_id=subject_id,
            source_kind=source[0] if source else None,
            source_id=source[1] if source else None,
            user_ids=user_ids,
        ),
    )
