"""Read one user's newest features for serving, and say how old they are.

Feast does not enforce a view's TTL on online reads, so this reader does. Calls block for about half a
millisecond: from async code run them in a thread (``asyncio.to_thread``), one reader for one process is fine,
because the Redis client below it is thread-safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from feature_repo.purposes import FeaturePurpose, require_purpose
from feature_repo.schemas import MODEL_VERSION, USER_ID, VIEW_SCHEMAS
from feature_repo.services import SERVICES, purpose_of
from feature_repo.vendor_patches import FeatureStore
from feature_repo.views import FEATURE_VIEW_SPECS
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

    ``values`` are present when stale, so that a caller can choose; they are empty when the row is missing.
    """

    view: str
    staleness: Staleness
    event_timestamp: datetime | None = None
    age: timedelta | None = None
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def age_ms(self) -> int | None:
        """Age in milliseconds, at least zero; None when the row is missing."""
        return None if self.age is None else max(0, self.age // timedelta(milliseconds=1))

    @property
    def fresh_values(self) -> dict[str, Any]:
        """The values where the row is fresh, else nothing."""
        return self.values if self.staleness is Staleness.FRESH else {}


@dataclass(frozen=True, slots=True)
class UserFeatures:
    """Features of one user for serving, under one model version."""

    vector: OnlineRow
    recent_activity: OnlineRow
    affinity: OnlineRow


def oldest_age_ms(*rows: OnlineRow) -> int | None:
    """Return the age of the oldest row in milliseconds; None when every row is missing."""
    return max((row.age_ms for row in rows if row.age_ms is not None), default=None)


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
        rows = self.read(
            names.RECOMMENDATION_SERVING,
            {USER_ID: user_id, MODEL_VERSION: model_version},
            purpose=FeaturePurpose.RECOMMENDATION,
            now=now,
        )
        return UserFeatures(
            vector=rows[names.USER_VECTORS],
            recent_activity=rows[names.USER_RECENT_ACTIVITY],
            affinity=rows[names.USER_AFFINITY],
        )

    def read_recent_activity(self, user_id: str, *, now: datetime | None = None) -> OnlineRow:
        """Read what one user did within the hour; raises as ``read_user`` does."""
        rows = self.read(names.SPAM_SERVING, {USER_ID: user_id}, purpose=FeaturePurpose.MODERATION, now=now)
        return rows[names.USER_RECENT_ACTIVITY]

    def read(
        self, service: str, keys: Mapping[str, str], *, purpose: FeaturePurpose, now: datetime | None = None
    ) -> dict[str, OnlineRow]:
        """Read the newest row of each view of a service by the name of the view, with its age at ``now``.

        Raises:
            PurposeError: when the service is for another purpose.
            FeastError: when the registry does not know the service (nobody has applied it yet).
            redis.RedisError: when the online store does not answer.
        """
        require_purpose(service, allowed=(purpose_of(service),), purpose=purpose)
        response = self._store.get_online_features(features=SERVICES[service], entity_rows=[dict(keys)])
        cells = dict(zip(response.proto.metadata.feature_names.val, response.proto.results, strict=True))
        values, at = response.to_dict(), now or datetime.now(UTC)
        return {
            projection.name: _row(projection.name, cells=cells, values=values, now=at)
            for projection in SERVICES[service].feature_view_projections
        }


def _row(view: str, *, cells: dict[str, Any], values: dict[str, list[Any]], now: datetime) -> OnlineRow:
    features = tuple(VIEW_SCHEMAS[view].features)
    cell = cells[features[0]]
    if cell.statuses[0] not in _FOUND or not cell.event_timestamps[0].seconds:
        return OnlineRow(view=view, staleness=Staleness.MISSING)
    event_timestamp = cell.event_timestamps[0].ToDatetime(tzinfo=UTC)
    age = now - event_timestamp
    ttl = FEATURE_VIEW_SPECS[view].ttl
    return OnlineRow(
        view=view,
        staleness=Staleness.STALE if ttl is not None and age > ttl else Staleness.FRESH,
        event_timestamp=event_timestamp,
        age=age,
        values={feature: values[feature][0] for feature in features},
    )
