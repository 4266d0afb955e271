from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pandas as pd

from feature_repo.online import OnlineReader, OnlineRow, Staleness
from feature_repo.vendor_patches import FeatureStore, PushMode
from feature_repo.views import FEATURE_VIEW_SPECS
from neighborconnect.contracts.features import USER_VECTORS, USER_VECTORS_PUSH

VERSION = "7"


def push_vector(store: FeatureStore, user_id: str, *, at: datetime, version: str = VERSION) -> None:
    rows = pd.DataFrame(
        {
            "user_id": [user_id],
            "model_version": [version],
            "factors": [np.array([0.25, -1.5], dtype=np.float32)],
            "content": [np.array([1.0, 2.0, 3.0], dtype=np.float32)],
            "event_timestamp": [at],
        }
    )
    store.push(USER_VECTORS_PUSH, rows, to=PushMode.ONLINE)


def test_a_pushed_vector_is_read_back_with_its_time(store: FeatureStore) -> None:
    user, at = str(uuid4()), datetime.now(UTC)
    push_vector(store, user, at=at)
    vector = OnlineReader(store).read_user(user, model_version=VERSION, now=at + timedelta(hours=1)).vector
    assert vector.fresh_values == {"factors": [0.25, -1.5], "content": [1.0, 2.0, 3.0]}
    assert (vector.event_timestamp, vector.age) == (at, timedelta(hours=1))


def test_a_vector_of_another_model_version_is_missing(store: FeatureStore) -> None:
    user = str(uuid4())
    push_vector(store, user, at=datetime.now(UTC), version="6")
    features = OnlineReader(store).read_user(user, model_version=VERSION)
    assert features.vector == OnlineRow(view=USER_VECTORS, staleness=Staleness.MISSING)


def test_a_stored_row_older_than_its_ttl_is_stale(store: FeatureStore) -> None:
    user, at = str(uuid4()), datetime.now(UTC)
    push_vector(store, user, at=at)
    ttl = FEATURE_VIEW_SPECS[USER_VECTORS].ttl
    assert ttl is not None
    reader = OnlineReader(store)
    assert reader.read_user(user, model_version=VERSION, now=at + ttl).vector.staleness is Staleness.FRESH
    late = reader.read_user(user, model_version=VERSION, now=at + ttl + timedelta(seconds=1)).vector
    assert (late.staleness, late.fresh_values, late.event_timestamp) == (Staleness.STALE, {}, at)


def test_an_older_push_does_not_undo_a_newer_one(store: FeatureStore) -> None:
    user, at = str(uuid4()), datetime.now(UTC)
    push_vector(store, user, at=at)
    push_vector(store, user, at=at - timedelta(minutes=1))
    assert OnlineReader(store).read_user(user, model_version=VERSION).vector.event_timestamp == at
