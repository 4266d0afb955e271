"""Weight of an account in the counts of people that order the feeds of others (``[standing]`` in ``ranking.toml``)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Float, and_, case, cast, func, or_

from neighborconnect.feed.policy import ranking_policy
from transactional_api.core.db.tables import User

_DAY_SECONDS = 86_400.0


def counts(account: Any = User) -> ColumnElement[bool]:
    """Whether acts of the account count at all: verified, active, not suspended, and no longer new."""
    return and_(
        account.verified.is_(True),
        account.is_active.is_(True),
        or_(account.suspended_until.is_(None), account.suspended_until <= func.now()),
        account.created_at < func.now() - timedelta(days=ranking_policy().standing.new_days),
    )


def weight(account: Any = User) -> ColumnElement[float]:
    """Return the weight of the account, in [0, 1]: ``feed.policy.Standing.weight``, or 0 if it does not count."""
    standing = ranking_policy().standing
    age_days = cast(func.extract("epoch", func.now() - account.created_at), Float) / _DAY_SECONDS
    grown = (age_days - standing.new_days) / (standing.full_days - standing.new_days)
    return case((counts(account), func.least(1.0, grown)), else_=0.0)
