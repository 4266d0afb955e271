"""Registration of uploads as subjects of moderation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from transactional_api.core.db.tables import Upload, User
from transactional_api.core.moderation import Subject, SubjectKind, register
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users


def _uploads(viewer: Viewer) -> Select[Any]:
    visible_owner = Upload.owner_id.in_(users.visible_to(viewer).with_only_columns(User.id))
    return select(Upload).where(Upload.is_active.is_(True), visible_owner)


_WORDS = (Upload.moderated_text, Upload.alt_text)
UPLOAD = register(SubjectKind.UPLOAD, Subject(Upload.id, Upload.owner_id, _WORDS, _uploads, Upload.is_active))
