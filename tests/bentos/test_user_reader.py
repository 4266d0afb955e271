"""After a reset of personalization, the profile is that of a stranger until features are computed again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bentos.recommendation.user_reader import RESET_LAG, profile_of, since_reset
from feature_repo.online import OnlineRow, Staleness, UserFeatures
from neighborconnect.contracts.events import ItemKind

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def features(at: datetime) -> UserFeatures:
    def row(view: str, **values: object) -> OnlineRow:
        return OnlineRow(view, Staleness.FRESH, at, NOON - at, values)

    return UserFeatures(
        vector=row("user_vectors", factors=[1.0], content=[1.0]),
        recent_activity=row("user_recent_activity", recent_post_ids=["bees"]),
        affinity=row("user_affinity", categories=["gardening"], weights=[1.0], evidence=5.0),
    )


def test_rows_from_before_a_reset_are_those_of_a_stranger() -> None:
    nothing = UserFeatures(*(OnlineRow(view, Staleness.MISSING) for view in ("vector", "recent", "affinity")))
    known, stranger = features(NOON), profile_of(nothing, kind=ItemKind.POST)

    assert profile_of(since_reset(known, NOON), kind=ItemKind.POST) == stranger
    assert profile_of(since_reset(known, NOON - RESET_LAG), kind=ItemKind.POST) == stranger


def test_rows_that_were_computed_after_a_reset_count() -> None:
    known, reset_at = features(NOON), NOON - RESET_LAG - timedelta(seconds=1)
    assert since_reset(known, reset_at) == known
