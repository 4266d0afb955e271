"""Consistency: what was served equals its recomputation, and each kind of difference is counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from bentos.recommendation.user_reader import UserReader, is_sampled
from feature_repo.online import OnlineRow, Staleness, UserFeatures
from models.recommendation.predictor import _logged
from neighborconnect.contracts import features as names
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from pipelines.features.consistency import MAX_MISMATCH, measure_consistency, share_differing
from pipelines.features.lake_reads import read_activity
from pipelines.ingest.lake import LakeSnapshot
from pipelines.transforms.user_features import user_affinity, user_recent_activity
from tests.pipelines.transforms.lake_rows import change, lake_frame

NOW = datetime.now(UTC)
SERVED_AT = NOW - timedelta(minutes=30)
TRANSFORMS = {names.USER_AFFINITY: user_affinity, names.USER_RECENT_ACTIVITY: user_recent_activity}


@pytest.fixture
def lake(settings: Settings) -> Settings:
    """A lake of one user with ten likes, one of which was captured after it was served without it."""
    own = settings.model_copy(update={"s3_lake_bucket": f"{settings.s3_lake_bucket}/consistency-{uuid4().hex}"})
    begin = NOW - timedelta(days=5)
    likes = [
        change("post_likes", id=f"l{n}", post_id=f"p{n}", user_id="ada", created_at=SERVED_AT - timedelta(minutes=n))
        for n in range(1, 11)
    ]
    late = change(
        "post_likes",
        id="late",
        post_id="p1",
        user_id="ada",
        created_at=SERVED_AT - timedelta(minutes=2),
        committed_at=SERVED_AT + timedelta(minutes=1),
    )
    posts = [
        change("posts", id=f"p{n}", connector_id="c1", author_id="bo", created_at=begin, is_active=True)
        for n in range(1, 11)
    ]
    tables = {
        "connectors": [change("connectors", id="c1", category="music", created_at=begin, is_active=True)],
        "posts": posts,
        "post_likes": likes,
    }
    for table, rows in tables.items():
        _append(own, table, rows)
    own_rows = {view: _served(own, view) for view in TRANSFORMS}
    _append(own, "post_likes", [late])
    _append(own, "predictions", [_prediction(own_rows)])
    return own


def _append(settings: Settings, table: str, rows: list[dict[str, Any]]) -> None:
    path = settings.lake_path("events", table)
    lake_frame(table, rows).write_delta(path, mode="append", storage_options=settings.lake_storage_options)


def _served(settings: Settings, view: str) -> OnlineRow:
    computed = TRANSFORMS[view](read_activity(LakeSnapshot(settings)), at=[SERVED_AT]).collect()
    [row] = [row for row in computed.to_dicts() if row["user_id"] == "ada"]
    values = {name: value for name, value in row.items() if name not in {"user_id", "event_timestamp"}}
    return OnlineRow(view, Staleness.FRESH, SERVED_AT, timedelta(seconds=1), values)


class Reader:
    """Reads the rows that the test prepared."""

    def __init__(self, rows: dict[str, OnlineRow]) -> None:
        self._features = UserFeatures(
            vector=OnlineRow(names.USER_VECTORS, Staleness.MISSING),
            recent_activity=rows[names.USER_RECENT_ACTIVITY],
            affinity=rows[names.USER_AFFINITY],
        )

    def read_user(self, _user_id: str, *, model_version: str) -> UserFeatures:  # noqa: ARG002 (as the reader)
        return self._features


def _prediction(rows: dict[str, OnlineRow]) -> dict[str, Any]:
    """The event of a sampled response with these rows, as the service and the API log it."""
    import asyncio  # noqa: PLC0415

    reader = UserReader(Reader(rows))  # type: ignore[arg-type]
    profile = asyncio.run(reader.read("ada", kind=ItemKind.POST, model_version="1", is_sampled=True))
    reader.close()
    return change("predictions", user_id="ada", predicted_at=SERVED_AT, features=json.dumps(_logged(profile)))


@pytest.mark.parametrize("view", TRANSFORMS)
def test_served_rows_equal_their_recomputation(lake: Settings, view: str) -> None:
    results = measure_consistency(lake, view=view, since=NOW - timedelta(days=1))

    assert all(result.cells == 1 for result in results.values())
    assert share_differing(results) == 0


def test_a_wrong_missing_and_extra_value_are_counted(lake: Settings) -> None:
    row = _served(lake, names.USER_RECENT_ACTIVITY)
    wrong = row.values | {"likes_last_hour": 30, "recent_post_ids": None}
    later = row.event_timestamp + timedelta(microseconds=1)  # type: ignore[operator]
    forged = OnlineRow(row.view, Staleness.FRESH, later, row.age, wrong)
    affinity = _served(lake, names.USER_AFFINITY)
    _append(lake, "predictions", [_prediction({row.view: forged, affinity.view: affinity})])

    results = measure_consistency(lake, view=names.USER_RECENT_ACTIVITY, since=NOW - timedelta(days=1))

    assert (results["likes_last_hour"].mismatched, results["recent_post_ids"].missing) == (1, 1)
    assert results["likes_last_hour"].smape == pytest.approx(0.5)
    assert share_differing(results) > MAX_MISMATCH


def test_a_request_is_sampled_by_its_id() -> None:
    ids = [str(uuid4()) for _ in range(4_000)]
    sampled = [request_id for request_id in ids if is_sampled(request_id)]
    assert 100 < len(sampled) < 320
    assert all(map(is_sampled, sampled))
