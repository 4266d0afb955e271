from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import h3
import pandas as pd
import psycopg
import pytest

from feature_repo.schemas import EVENT_TIMESTAMP, VIEW_SCHEMAS
from feature_repo.vendor_patches import FeatureStore
from neighborconnect.contracts import features as names
from neighborconnect.settings import Settings
from pipelines.features import compute
from pipelines.features.compute import compute_days, compute_latest
from pipelines.features.materialize import materialize
from pipelines.features.view_names import LATEST_VIEWS
from pipelines.transforms.place_features import RESOLUTION
from tests.pipelines.transforms.lake_rows import change, lake_frame

DAYS = 12
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Town:
    """A lake of its own with a few people's last days, and the settings that lead to it."""

    settings: Settings
    users: list[str]
    posts: list[str]
    connectors: list[str]
    offers: list[str]
    ada: str


@pytest.fixture(scope="session")
def town(settings: Settings, store: FeatureStore) -> Town:
    """Thirty people with random days, and Ada, who liked two posts yesterday and took one like back."""
    chance = random.Random(7)
    ada = str(uuid4())
    users, posts, connectors, offers = ([str(uuid4()) for _ in range(n)] for n in (30, 20, 3, 4))

    def some_time() -> datetime:
        return NOW - timedelta(seconds=chance.randrange(3_600, DAYS * 86_400))

    begin = NOW - timedelta(days=DAYS)
    rows: dict[str, list[dict[str, Any]]] = {
        "connectors": [
            change(
                "connectors",
                id=connector,
                category=f"category {n}",
                created_at=begin,
                is_active=True,
                latitude=40.7,
                longitude=-74.0,
            )
            for n, connector in enumerate(connectors)
        ],
        "posts": [
            change(
                "posts",
                id=post,
                connector_id=chance.choice(connectors),
                author_id=chance.choice(users),
                created_at=begin,
                is_active=True,
            )
            for post in posts
        ],
        **{
            table: [
                change(table, id=offer, connector_id=connectors[0], created_at=begin, is_active=True)
                for offer in offers
            ]
            for table in ("events", "marketplace_items")
        },
        "event_attendees": [
            change(
                "event_attendees",
                id=str(uuid4()),
                event_id=chance.choice(offers),
                user_id=chance.choice(users),
                status="attending",
                joined_at=some_time(),
            )
            for _ in range(40)
        ],
        "marketplace_purchases": [
            change(
                "marketplace_purchases",
                id=str(uuid4()),
                item_id=offer,
                buyer_id=chance.choice(users),
                status="agreed",
                created_at=some_time(),
            )
            for offer in offers
        ],
        "post_likes": [
            change(
                "post_likes",
                id=str(uuid4()),
                post_id=chance.choice(posts),
                user_id=chance.choice(users),
                created_at=some_time(),
            )
            for _ in range(150)
        ],
        "interactions": [
            change(
                "interactions",
                user_id=chance.choice(users),
                kind=chance.choice(("impression", "click", "hide")),
                item_kind="post",
                item_id=chance.choice(posts),
                occurred_at=some_time(),
            )
            for _ in range(600)
        ],
    }
    yesterday = NOW - timedelta(days=1)
    kept, taken_back = (
        {"id": str(uuid4()), "post_id": post, "user_id": ada, "created_at": yesterday} for post in posts[:2]
    )
    rows["post_likes"] += [change("post_likes", **kept), change("post_likes", **taken_back)]
    rows["post_likes"].append(change("post_likes", op="d", committed_at=NOW - timedelta(hours=1), **taken_back))
    # A folder in the bucket is as good as a bucket, and leaves the session's lake alone.
    own = settings.model_copy(update={"s3_lake_bucket": f"{settings.s3_lake_bucket}/features-{uuid4().hex}"})
    for table, changes in rows.items():
        lake_frame(table, changes).write_delta(own.lake_path("events", table), storage_options=own.lake_storage_options)
    return Town(own, [*users, ada], posts, connectors, offers, ada)


Key = tuple[str, ...]


def entities_of(town: Town, view: str) -> list[Key]:
    """Every entity that may have a row of the view; of pairs, every combination."""
    cell = h3.latlng_to_cell(40.7, -74.0, RESOLUTION)
    known = {"user_id": town.users, "author_id": town.users, "connector_id": town.connectors}
    known |= {"post_id": town.posts, "h3_cell": [cell]}
    known |= {"event_id": town.offers, "marketplace_item_id": town.offers}
    return list(product(*(known[key] for key in VIEW_SCHEMAS[view].keys)))


def offline(store: FeatureStore, view: str, keys: list[Key], *, at: datetime) -> dict[Key, dict[str, Any]]:
    schema = VIEW_SCHEMAS[view]
    entities = pd.DataFrame(keys, columns=list(schema.keys)).assign(**{EVENT_TIMESTAMP: at})
    refs = [f"{view}:{feature}" for feature in schema.features]
    return by_key(schema.keys, store.get_historical_features(entity_df=entities, features=refs).to_df())


def online(store: FeatureStore, view: str, keys: list[Key]) -> dict[Key, dict[str, Any]]:
    schema = VIEW_SCHEMAS[view]
    refs = [f"{view}:{feature}" for feature in schema.features]
    rows = [dict(zip(schema.keys, key, strict=True)) for key in keys]
    return by_key(schema.keys, store.get_online_features(features=refs, entity_rows=rows).to_df())


def by_key(keys: Key, frame: pd.DataFrame) -> dict[Key, dict[str, Any]]:
    rows = frame.drop(columns=EVENT_TIMESTAMP, errors="ignore").to_dict("records")
    return {tuple(row[key] for key in keys): row for row in rows}


def plain(value: Any) -> Any:
    """Normalize missing values to None, sequences to lists and numbers to floats."""
    if isinstance(value, str):
        return value
    if hasattr(value, "__len__"):
        return [plain(element) for element in value]
    return None if pd.isna(value) else float(value)


def test_online_features_equal_offline_features(town: Town, store: FeatureStore) -> None:
    compute_days(
        town.settings,
        view=names.USER_ACTIVITY,
        first=(NOW - timedelta(days=3)).date(),
        last=(NOW - timedelta(days=1)).date(),
    )
    at = datetime.now(UTC)
    written = compute_latest(town.settings, at=at)
    assert set(written) == set(LATEST_VIEWS)
    materialize(town.settings, until=at)
    for view in LATEST_VIEWS:
        entities = entities_of(town, view)
        there, here = offline(store, view, entities, at=at), online(store, view, entities)
        for entity in entities:
            for feature in VIEW_SCHEMAS[view].features:
                assert plain(here[entity][feature]) == pytest.approx(plain(there[entity][feature])), (view, feature)
        values = [plain(row[feature]) for row in here.values() for feature in VIEW_SCHEMAS[view].features]
        # There are no acts in the last hour, which is written as zeros.
        assert any(values) != (view == names.USER_RECENT_ACTIVITY)
    ada = online(store, names.USER_ACTIVITY, [(town.ada,)])[town.ada,]
    assert (ada["likes_28d"], ada["likes_7d"], ada["likes_1h"]) == (1, 1, 0)


def test_a_daily_partition_replaces_the_hourly_rows(town: Town, store: FeatureStore) -> None:
    day = (NOW - timedelta(days=2)).date()
    noon = datetime(day.year, day.month, day.day, 12, 30, tzinfo=UTC)
    for at in (noon, noon + timedelta(minutes=10), noon + timedelta(hours=1)):
        compute_latest(town.settings, at=at, views=[names.USER_AFFINITY])
    assert times_of(town, day=noon) == [noon + timedelta(minutes=10), noon + timedelta(hours=1)]
    for _ in range(2):
        compute_days(town.settings, view=names.USER_AFFINITY, first=day, last=day)
    assert times_of(town, day=noon) == [datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)]


def test_results_do_not_depend_on_the_chunk_size(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = (NOW - timedelta(days=DAYS)).date(), (NOW - timedelta(days=2)).date()

    def rows() -> list[Any]:
        compute_days(town.settings, view=names.CONNECTOR_STATS, first=first, last=last)
        with psycopg.connect(town.settings.feast_database_url) as connection:
            query = "SELECT * FROM offline.connector_stats WHERE connector_id = ANY(%s) ORDER BY 1, 2"
            return connection.execute(query, (town.connectors,)).fetchall()

    as_they_are = rows()
    assert len(as_they_are) >= len(town.connectors) * (DAYS - 2)
    monkeypatch.setattr(compute, "_FIRST_CHUNK_DAYS", 1)
    for most in (1, 4 * len(town.connectors)):
        monkeypatch.setattr(compute, "_MAX_CHUNK_ROWS", most)
        assert rows() == as_they_are


def times_of(town: Town, *, day: datetime) -> list[datetime]:
    midnight = day.replace(hour=0, minute=0)
    with psycopg.connect(town.settings.feast_database_url) as connection:
        rows = connection.execute(
            "SELECT DISTINCT event_timestamp FROM offline.user_affinity WHERE user_id = ANY(%s) "
            "AND event_timestamp > %s AND event_timestamp <= %s ORDER BY 1",
            (town.users, midnight, midnight + timedelta(days=1)),
        ).fetchall()
    return [time for (time,) in rows]
