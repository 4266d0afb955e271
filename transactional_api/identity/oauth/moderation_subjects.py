"""Registration of third-party apps as moderation subjects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from transactional_api.core.db.tables import OAuthApp
from transactional_api.core.moderation import Subject, SubjectKind, register
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users


def _apps(viewer: Viewer) -> Select[Any]:
    return select(OAuthApp).where(users.not_blocked(viewer, OAuthApp.owner_id))


APP = register(SubjectKind.APP, Subject(OAuthApp.id, OAuthApp.owner_id, (OAuthApp.name,), _apps, None))
