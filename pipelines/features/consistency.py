"""Consistency of served features: sampled vectors, as they were served, against the same features recomputed offline.

The recommendation service logs the online rows behind a sample of its responses with the prediction. Each row is
recomputed from the events that were captured by the time of the row, by the transform of its view.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from feature_repo.schemas import EVENT_TIMESTAMP, USER_ID, VIEW_SCHEMAS
from neighborconnect.contracts import features as names
from neighborconnect.contracts.serving import SERVED_ROWS
from neighborconnect.settings import Settings
from pipelines.features.lake_reads import read_activity_tables, read_personalization_withdrawals, read_resets
from pipelines.ingest.lake import LakeSnapshot
from pipelines.transforms.activity import activity_events
from pipelines.transforms.user_features import (
    AFFINITY_HALF_LIFE,
    AFFINITY_HORIZON,
    RECENT_HORIZON,
    user_affinity,
    user_recent_activity,
)

MAX_MISMATCH: Final = 0.001
"""Share of differing cells above which the check fails."""
MAX_ROWS: Final = 200
_TOLERANCE: Final = 1e-3

Transform = Callable[..., pl.LazyFrame]
SERVED_VIEWS: Final[dict[str, tuple[Transform, timedelta]]] = {
    names.USER_AFFINITY: (user_affinity, AFFINITY_HORIZON + AFFINITY_HALF_LIFE),
    names.USER_RECENT_ACTIVITY: (user_recent_activity, RECENT_HORIZON),
}
"""Transform and horizon of the views that serving reads and that are computed from the lake."""


@dataclass
class Consistency:
    """Result of one feature: compared cells, and how they differ.

    Attributes:
        cells: compared cells.
        mismatched: cells with another value offline.
        missing: cells that were null online and have a value offline.
        extra: cells that had a value online and have none offline.
        errors: relative errors of numbers, ``2 |a - b| / (|a| + |b|)``.
    """

    cells: int = 0
    mismatched: int = 0
    missing: int = 0
    extra: int = 0
    errors: list[float] = field(default_factory=list)

    @property
    def differing(self) -> int:
        """Cells that differ in any way."""
        return self.mismatched + self.missing + self.extra

    @property
    def smape(self) -> float:
        """Symmetric mean absolute percentage error of the numbers, as a fraction from 0 to 2."""
        return sum(self.errors) / len(self.errors) if self.errors else 0.0

    def add(self, online: Any, offline: Any) -> None:
        """Compare one cell."""
        self.cells += 1
        if offline is None or online is None:
            self.missing += online is None and offline is not None
            self.extra += online is not None and offline is None
            return
        self.mismatched += not _is_close(online, offline)
        if isinstance(online, int | float) and isinstance(offline, int | float):
            size = abs(online) + abs(offline)
            self.errors.append(2 * abs(online - offline) / size if size else 0.0)


def measure_consistency(settings: Settings, *, view: str, since: datetime) -> dict[str, Consistency]:
    """Recompute the newest ``MAX_ROWS`` sampled rows of a view since a time; return the result by feature.

    Users without consent to personalization are excluded.
    """
    served = _served_rows(settings, view=view, since=since)
    results = {feature: Consistency() for feature in VIEW_SCHEMAS[view].features}
    if not served:
        return results
    transform, horizon = SERVED_VIEWS[view]
    users = {row[USER_ID] for row in served}
    oldest = min(row[EVENT_TIMESTAMP] for row in served)
    tables = read_activity_tables(LakeSnapshot(settings), since=oldest - horizon, users=users)
    captured = {name: frame.collect(engine="streaming") for name, frame in tables.items()}
    for at in sorted({row[EVENT_TIMESTAMP] for row in served}):
        rows = [row for row in served if row[EVENT_TIMESTAMP] == at]
        known = {name: frame.lazy().filter(pl.col("_committed_at") <= at) for name, frame in captured.items()}
        computed = {row[USER_ID]: row for row in transform(activity_events(**known), at=[at]).collect().to_dicts()}
        for row in rows:
            offline = computed.get(row[USER_ID], {})
            for feature, result in results.items():
                result.add(row["values"].get(feature), offline.get(feature))
    return results


def share_differing(results: Mapping[str, Consistency]) -> float:
    """Return the share of differing cells over all features; 0 without cells."""
    cells = sum(result.cells for result in results.values())
    return sum(result.differing for result in results.values()) / cells if cells else 0.0


def _served_rows(settings: Settings, *, view: str, since: datetime) -> Sequence[dict[str, Any]]:
    lake = LakeSnapshot(settings)
    sampled = (
        lake.scan("predictions", since=since)
        .filter(pl.col("features").str.contains(f'"{SERVED_ROWS}"', literal=True))
        .join(read_personalization_withdrawals(lake), on=USER_ID, how="anti")
        # Their rows from before a reset have acts that no computation counts any more.
        .join(read_resets(lake), on=USER_ID, how="anti")
        .select(USER_ID, "features", "predicted_at")
        .sort("predicted_at", descending=True)
        .collect(engine="streaming")
    )
    rows: dict[tuple[str, datetime], dict[str, Any]] = {}
    for user_id, features, _ in sampled.iter_rows():
        row = json.loads(features)[SERVED_ROWS].get(view)
        if row is not None:
            at = datetime.fromisoformat(row[EVENT_TIMESTAMP])
            rows[user_id, at] = {USER_ID: user_id, EVENT_TIMESTAMP: at, "values": row["values"]}
    return list(rows.values())[:MAX_ROWS]


def _is_close(online: Any, offline: Any) -> bool:
    if isinstance(offline, list):
        return isinstance(online, list) and len(online) == len(offline) and all(map(_is_close, online, offline))
    if isinstance(offline, int | float) and isinstance(online, int | float):
        return math.isclose(online, offline, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return bool(online == offline)
