"""Registration of the captions of stories and reels as subjects of moderation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Select, func, or_, select

from transactional_api.community.connectors import queries as connectors
from transactional_api.core.db.tables import Connector, MediaCaption, User
from transactional_api.core.moderation import Subject, SubjectKind, register
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users


def _captions(kind: SubjectKind) -> Callable[[Viewer], Select[Any]]:
    def visible(viewer: Viewer) -> Select[Any]:
        unexpired = or_(MediaCaption.expires_at.is_(None), MediaCaption.expires_at > func.now())
        visible_author = MediaCaption.author_id.in_(users.visible_to(viewer).with_only_columns(User.id))
        joined = select(MediaCaption).join(Connector, Connector.id == MediaCaption.connector_id)
        return joined.where(
            MediaCaption.kind == kind.value,
            MediaCaption.is_active.is_(True),
            unexpired,
            visible_author,
            connectors.may_see(viewer),
        )

    return visible


def _caption(kind: SubjectKind) -> Subject:
    return Subject(
        MediaCaption.id, MediaCaption.author_id, (MediaCaption.caption,), _captions(kind), MediaCaption.is_active
    )


STORY = register(SubjectKind.STORY, _caption(SubjectKind.STORY))
REEL = register(SubjectKind.REEL, _caption(SubjectKind.REEL))
