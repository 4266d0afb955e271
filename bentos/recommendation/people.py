"""What is known of a neighbour at the moment of the request, within a deadline."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bentos.features import Lookups
from feature_repo.online import OnlineReader, Staleness, UserFeatures
from models.recommendation.predictor import FEATURES_UNAVAILABLE, NO_USER_VECTOR, STALE_USER_VECTOR, UserProfile
from neighborconnect.contracts.events import ItemKind

_RECENT = {ItemKind.POST: "recent_post_ids", ItemKind.CONNECTOR: "recent_connector_ids"}
UNKNOWN = UserProfile(gap=FEATURES_UNAVAILABLE)


class PeopleReader:
    """Reads profiles from the online feature store."""

    def __init__(self, reader: OnlineReader) -> None:
        """Read through ``reader``."""
        self._reader = reader
        self._lookups = Lookups()

    async def read(self, user_id: str, *, kind: ItemKind, model_version: str) -> UserProfile:
        """Return the profile; an unknown person's one, with the reason, when the store does not answer in time."""
        features = await self._lookups.ask(lambda: self._reader.read_user(user_id, model_version=model_version))
        return UNKNOWN if features is None else profile_of(features, kind=kind)

    def warm_up(self) -> None:
        """Read nobody, once."""
        self._lookups.warm_up(lambda: self._reader.read_user("", model_version=""))

    def close(self) -> None:
        """Stop reading."""
        self._lookups.close()


def profile_of(features: UserFeatures, *, kind: ItemKind) -> UserProfile:
    """Keep what is fresh: an old vector is not used, and the profile says so; an old text profile still is."""
    affinity = features.affinity.fresh_values
    recent = features.recent_activity.fresh_values.get(_RECENT[kind]) or ()
    return UserProfile(
        vector=_vector(features.vector.fresh_values.get("factors")),
        content=_vector(features.vector.values.get("content")),
        affinity=dict(zip(affinity.get("categories") or (), affinity.get("weights") or (), strict=True)),
        recent_items=tuple(recent),
        gap=STALE_USER_VECTOR if features.vector.staleness is Staleness.STALE else NO_USER_VECTOR,
    )


def _vector(values: list[float] | None) -> npt.NDArray[np.floating[Any]] | None:
    return np.array(values, dtype=np.float32) if values else None
