"""Registration of reviews as a subject of moderation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from transactional_api.community.reviews import queries
from transactional_api.core.db.tables import Connector, Review, User
from transactional_api.core.moderation import Subject, SubjectKind, register
from transactional_api.core.viewer import Viewer


def _reviews(viewer: Viewer) -> Select[Any]:
    joined = select(Review).join(Connector, Connector.id == Review.connector_id)
    return joined.join(User, User.id == Review.reviewer_id).where(queries.may_see(viewer))


REVIEW = register(
    SubjectKind.REVIEW,
    Subject(Review.id, Review.reviewer_id, (Review.title, Review.content), _reviews, Review.is_active),
)
