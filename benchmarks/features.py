"""A user's vector read through Feast, next to the same HMGET on raw redis-py.

Pushes vectors under a model version of its own and removes them afterwards.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import redis

from benchmarks.report import Row, percentiles, show
from feature_repo.online import OnlineReader
from feature_repo.schemas import MODEL_VERSION, USER_ID, USER_VECTORS
from feature_repo.store import apply, build_store, close
from feature_repo.vendor_patches import PushMode
from neighborconnect.contracts.features import USER_VECTORS_PUSH
from neighborconnect.settings import Settings, get_settings

USERS = 1_000
FACTORS, CONTENT = 64, 384
READS = 2_000
WARM_UP = 100


def run(settings: Settings) -> list[Row]:
    """Push ``USERS`` vectors, read ``READS`` of them each way, interleaved, and compare the medians."""
    store = build_store(settings)
    raw: Any = redis.Redis.from_url(settings.feast_redis_url)
    # Text without anything that SCAN would read as a pattern.
    version = f"benchmark{uuid4().hex}"
    keys: list[bytes] = []
    try:
        apply(store)
        users = [str(uuid4()) for _ in range(USERS)]
        pushed = _seconds(lambda _: store.push(USER_VECTORS_PUSH, _vectors(users, version), to=PushMode.ONLINE), [0])[0]
        keys = list(raw.scan_iter(match=f"*{version}*", count=10_000))
        fields: list[bytes] = raw.hkeys(keys[0])
        refs = [f"{USER_VECTORS.name}:{feature}" for feature in USER_VECTORS.features]
        reader = OnlineReader(store)

        def through_feast(n: int) -> None:
            row = {USER_ID: users[n % USERS], MODEL_VERSION: version}
            store.get_online_features(features=refs, entity_rows=[row]).to_dict()

        def through_redis(n: int) -> None:
            raw.hmget(keys[n % USERS], fields)

        def for_serving(n: int) -> None:
            reader.read_user(users[n % USERS], model_version=version)

        ways = (through_feast, through_redis, for_serving)
        for way in ways:
            _seconds(way, range(WARM_UP))
        # By turns, so that a busy moment of the machine meets all of them.
        taken: dict[Callable[[int], None], list[float]] = {way: [] for way in ways}
        for start in range(0, READS, WARM_UP):
            for way in ways:
                taken[way] += _seconds(way, range(start, start + WARM_UP))
    finally:
        if keys:
            raw.delete(*keys)
        raw.close()
        close(store)
    return [
        Row.compare(
            "user vector read, median",
            ours=statistics.median(taken[through_feast]) * 1_000,
            peer=statistics.median(taken[through_redis]) * 1_000,
            unit="ms",
            note=f"Feast next to the same HMGET on redis-py; {FACTORS} + {CONTENT} floats, {READS} reads, one caller",
        ),
        *percentiles("user row for serving", taken[for_serving], note="vector, last hour and affinity with their age"),
        Row("vectors pushed", ours=USERS / pushed, unit="rows/s", note=f"one push of {USERS}"),
    ]


def _vectors(users: Sequence[str], version: str) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            USER_ID: users,
            MODEL_VERSION: version,
            "factors": list(random.standard_normal((len(users), FACTORS), dtype=np.float32)),
            "content": list(random.standard_normal((len(users), CONTENT), dtype=np.float32)),
            "event_timestamp": datetime.now(UTC),
        }
    )


def _seconds(call: Callable[[int], None], arguments: Sequence[int]) -> list[float]:
    taken = []
    for argument in arguments:
        began = time.perf_counter()
        call(argument)
        taken.append(time.perf_counter() - began)
    return taken


if __name__ == "__main__":
    show("features", run(get_settings()))
