"""Registration of profiles as moderation subjects."""

from __future__ import annotations

from sqlalchemy import func, select

from transactional_api.core.db.tables import User
from transactional_api.core.moderation import Subject, SubjectKind, register
from transactional_api.identity.users import queries

_interest = func.jsonb_array_elements_text(User.interests).column_valued("interest")
_INTERESTS = select(func.string_agg(_interest, ", ")).correlate(User).scalar_subquery()

USER = register(
    SubjectKind.USER,
    Subject(
        User.id,
        User.id,
        (User.username, User.first_name, User.last_name, User.neighborhood, User.city, _INTERESTS),
        queries.visible_to,
        None,
    ),
)
