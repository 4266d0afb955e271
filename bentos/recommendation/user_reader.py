"""Profile of a user at the time of a request, from the online feature store."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bentos.online_features import OnlineFeatures
from feature_repo.online import OnlineReader, OnlineRow, Staleness, UserFeatures, oldest_age_ms
from feature_repo.schemas import EVENT_TIMESTAMP
from models.recommendation.predictor import FEATURES_UNAVAILABLE, NO_USER_VECTOR, STALE_USER_VECTOR, UserProfile
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import SAMPLED_PERCENT

_RECENT = {
    ItemKind.POST: "recent_post_ids",
    ItemKind.CONNECTOR: "recent_connector_ids",
    ItemKind.EVENT: "recent_event_ids",
    ItemKind.ITEM: "recent_item_ids",
}
RESET_LAG: Final = timedelta(hours=1)
"""Rows of the first hour after a reset are not used: they contain the hour before, or were computed without it."""
UNKNOWN_USER = UserProfile(missing_vector_reason=FEATURES_UNAVAILABLE)


class UserReader:
    """Reader of user profiles that never fails a request."""

    def __init__(self, reader: OnlineReader) -> None:
        """Read through ``reader``."""
        self._reader = reader
        self._features = OnlineFeatures()

    async def read(
        self,
        user_id: str,
        *,
        kind: ItemKind,
        model_version: str,
        stated_interests: tuple[str, ...] = (),
        is_sampled: bool = False,
        acts_since: datetime | None = None,
    ) -> UserProfile:
        """Return the user's profile; when the feature store is unavailable, an empty one with that reason.

        The profile of a sampled request has the rows that were read, so that their consistency can be measured.
        ``stated_interests`` come with the request, so that they count before any feature of the user is computed.
        ``acts_since`` is the time of a reset of personalization, whose earlier rows are not used.
        """
        features = await self._features.read(lambda: self._reader.read_user(user_id, model_version=model_version))
        if features is not None and acts_since is not None:
            features = since_reset(features, acts_since)
        profile = UNKNOWN_USER if features is None else profile_of(features, kind=kind)
        if features is not None and is_sampled:
            profile = replace(profile, served_rows=_served_rows(features))
        return replace(profile, stated_interests=stated_interests) if stated_interests else profile

    def warm_up(self) -> None:
        """Read once, without a user."""
        self._features.warm_up(lambda: self._reader.read_user("", model_version=""))

    def close(self) -> None:
        """Release the threads."""
        self._features.close()


def since_reset(features: UserFeatures, reset_at: datetime) -> UserFeatures:
    """Return the features without the rows that acts before a reset of personalization may be in."""

    def since(row: OnlineRow) -> OnlineRow:
        is_new = row.event_timestamp is not None and row.event_timestamp > reset_at + RESET_LAG
        return row if is_new else OnlineRow(row.view, Staleness.MISSING)

    return UserFeatures(
        vector=since(features.vector),
        recent_activity=since(features.recent_activity),
        affinity=since(features.affinity),
    )


def profile_of(features: UserFeatures, *, kind: ItemKind) -> UserProfile:
    """Return the profile of fresh features; a stale factor vector is dropped, a stale content vector is still used."""
    affinity = features.affinity.fresh_values
    recent = features.recent_activity.fresh_values.get(_RECENT[kind]) or ()
    is_stale = features.vector.staleness is Staleness.STALE
    content = _vector(features.vector.values.get("content"))
    used = [row for row in (features.affinity, features.recent_activity) if row.staleness is Staleness.FRESH]
    if content is not None or not is_stale:
        used.append(features.vector)
    return UserProfile(
        vector=_vector(features.vector.fresh_values.get("factors")),
        content=content,
        evidence=affinity.get("evidence"),
        affinity=dict(zip(affinity.get("categories") or (), affinity.get("weights") or (), strict=True)),
        recent_items=tuple(recent),
        missing_vector_reason=STALE_USER_VECTOR if is_stale else NO_USER_VECTOR,
        features_age_ms=oldest_age_ms(*used),
    )


def is_sampled(request_id: str) -> bool:
    """Return whether the rows behind this response are logged; the same for every repetition of a request."""
    return zlib.crc32(request_id.encode()) % 100 < SAMPLED_PERCENT


def _served_rows(features: UserFeatures) -> dict[str, object]:
    """Return the fresh rows, except of the vectors, which have no history to compare with."""
    return {
        row.view: {EVENT_TIMESTAMP: row.event_timestamp.isoformat(), "values": dict(row.values)}
        for row in (features.affinity, features.recent_activity)
        if row.staleness is Staleness.FRESH and row.event_timestamp is not None
    }


def _vector(values: list[float] | None) -> npt.NDArray[np.floating[Any]] | None:
    return np.array(values, dtype=np.float32) if values else None
