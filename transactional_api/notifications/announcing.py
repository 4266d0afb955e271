"""What the platform itself tells people."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.errors import ForbiddenError
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.notifications.schemas import Announced, Announcement


async def announce(session: AsyncSession, *, viewer: Viewer, body: Announcement) -> Announced:
    """Tell people, a connector's members, or everyone; raises ``ForbiddenError`` for anyone but an admin."""
    if not viewer.administers:
        raise ForbiddenError("Only the platform's admins may announce something")
    # The sender is not its actor: nobody misses an announcement because they muted an admin.
    notice_id = uuid4()
    notice = Notice(
        id=notice_id,
        kind=NoticeKind.PLATFORM_ANNOUNCED,
        subject_kind="announcement",
        subject_id=notice_id,
        title=body.title,
        body=body.body,
        user_ids=body.user_ids,
        connector_id=body.connector_id,
        everyone=body.everyone,
    )
    await notify(session, notice)
    return Announced(notice_id=notice_id)
