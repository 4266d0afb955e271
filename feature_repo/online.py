"""Read one user's newest features for serving, and say how old they are.

Feast does not enforce a view's TTL on online reads, so this reader does. Calls block for about half a
millisecond: from async code run them in a thread (``asyncio.to_thread``), one reader for one process is fine,
because the Redis client below it is thread-safe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from feature_repo.feast_import import FeatureStore
from feature_repo.schemas import MODEL_VERSION, USER_ID, VIEW_SCHEMAS
from feature_repo.services import SERVICES
from feature_repo.views import PROMISES
from neighborconnect.contracts import features as names

# Feast's FieldStatus: 0 invalid, 1 present, 2 null, 3 not found, 4 outside max age.
_FOUND = (1, 2)


class Staleness(StrEnum):
    """Whether a row may be used."""

    FRESH = "fresh"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """The newest row of one view for one key.

    ``values`` are kept when stale, so that a caller can choose; they are empty when the row is missing.
    """

    view: str
    staleness: Staleness
    event_timestamp: datetime | None = None
    age: timedelta | None = None
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def fresh_values(self) -> dict[str, Any]:
        """The values where the row is fresh, else nothing."""
        return self.values if self.staleness is Staleness.FRESH else {}


@dataclass(frozen=True, slots=True)
class UserFeatures:
    """What serving needs to know of one user under one model version."""

    vector: OnlineRow
    recent_activity: OnlineRow
    affinity: OnlineRow


class OnlineReader:
    """Reads the serving feature services through Feast."""

    def __init__(self, store: FeatureStore) -> None:
        """Keep ``store``, which must have been applied by someone before the first read."""
        self._store = store

    def read_user(self, user_id: str, *, model_version: str, now: datetime | None = None) -> UserFeatures:
        """Read one user's vector for ``model_version``, last hour and affinity, with the age of each at ``now``.

        Raises:
            FeastError: when the registry does not know the service (nobody has applied it yet).
            redis.RedisError: when the online store does not answer.
        """
        row = self._row_of(names.RECOMMENDATION_SERVING, {USER_ID: user_id, MODEL_VERSION: model_version}, now)
        return UserFeatures(
            vector=row(names.USER_VECTORS),
            recent_activity=row(names.USER_RECENT_ACTIVITY),
            affinity=row(names.USER_AFFINITY),
        )

    def read_recent_activity(self, user_id: str, *, now: datetime | None = None) -> OnlineRow:
        """Read what one user did within the hour; raises as ``read_user`` does."""
        return self._row_of(names.SPAM_SERVING, {USER_ID: user_id}, now)(names.USER_RECENT_ACTIVITY)

    def _row_of(self, service: str, keys: dict[str, str], now: datetime | None) -> Callable[[str], OnlineRow]:
        response = self._store.get_online_features(features=SERVICES[service], entity_rows=[keys])
        cells = dict(zip(response.proto.metadata.feature_names.val, response.proto.results, strict=True))
        return partial(_row, cells=cells, values=response.to_dict(), now=now or datetime.now(UTC))


def _row(view: str, *, cells: dict[str, Any], values: dict[str, list[Any]], now: datetime) -> OnlineRow:
    features = tuple(VIEW_SCHEMAS[view].features)
    cell = cells[features[0]]
    if cell.statuses[0] not in _FOUND or not cell.event_timestamps[0].seconds:
        return OnlineRow(view=view, staleness=Staleness.MISSING)
    event_timestamp = cell.event_timestamps[0].ToDatetime(tzinfo=UTC)
    age = now - event_timestamp
    ttl = PROMISES[view].ttl
    return OnlineRow(
        view=view,
        staleness=Staleness.STALE if ttl is not None and age > ttl else Staleness.FRESH,
        event_timestamp=event_timestamp,
        age=age,
        values={feature: values[feature][0] for feature in features},
    )
