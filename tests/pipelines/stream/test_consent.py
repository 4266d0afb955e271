"""Withdrawn consent removes features and analytics rows at once, and for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
import redis

from feature_repo.online import OnlineReader
from feature_repo.vendor_patches import FeatureStore
from neighborconnect.contracts import features as names
from neighborconnect.settings import Settings
from pipelines.features.compute import compute_days, compute_latest
from pipelines.features.materialize import materialize
from pipelines.ingest.warehouse_tables import create_tables
from pipelines.privacy.consent import UsersByPurpose, read_withdrawals, split_by_consent
from tests.pipelines.stream.test_worker import Publisher, Running, new_like, recent, wait_until
from tests.pipelines.transforms.lake_rows import change, lake_frame

NOW = datetime.now(UTC)


@pytest.fixture
def own(settings: Settings, postgres_admin_url: str) -> Iterator[Settings]:
    """Settings with a lake and a warehouse of their own; Kafka, Redis and the offline store are the session's."""
    database = f"consent_{uuid4().hex[:8]}"
    url = f"{settings.warehouse_url.rpartition('/')[0]}/{database}"
    owner = psycopg.conninfo.conninfo_to_dict(settings.warehouse_url)["user"]
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f"create database {database} owner {owner}".encode())
        with psycopg.connect(url) as connection:
            create_tables(connection)
            connection.execute("create schema marts")
            connection.execute(
                "create table marts.fct_activity (user_id uuid, item_kind text, item_id uuid, kind text)"
            )
        lake = f"{settings.s3_lake_bucket}/consent-{uuid4().hex}"
        yield settings.model_copy(update={"warehouse_url": url, "s3_lake_bucket": lake})
        admin.execute(f"drop database {database} with (force)".encode())


@pytest.fixture
def publisher(settings: Settings) -> Iterator[Publisher]:
    opened = Publisher(settings)
    yield opened
    opened.close()


def user_row(user: str, *, personalised: bool, analysed: bool) -> dict[str, object]:
    return {"id": user, "personalised": personalised, "analysed": analysed, "created_at": NOW.isoformat()}


def rows_in_the_marts(settings: Settings, user: str) -> int:
    with psycopg.connect(settings.warehouse_url) as connection:
        query = "select count(*) from marts.fct_activity where user_id = %s or item_id = %s"
        row = connection.execute(query, [user, user]).fetchone()
        return int(row[0]) if row else 0


def act(settings: Settings, *users: str) -> None:
    with psycopg.connect(settings.warehouse_url) as connection:
        connection.cursor().executemany(
            "insert into marts.fct_activity values (%s, 'post', gen_random_uuid(), 'like'), "
            "(gen_random_uuid(), 'user', %s, 'follow')",
            [(user, user) for user in users],
        )


def keys_of(settings: Settings, user: str) -> int:
    with redis.Redis.from_url(settings.feast_redis_url) as online:
        return sum(user.encode() in key for key in online.scan_iter(count=1_000))


def test_a_withdrawal_deletes_rows_and_stops_the_push(own: Settings, publisher: Publisher, store: FeatureStore) -> None:
    withdraws, stays = str(uuid4()), str(uuid4())
    act(own, withdraws, stays)
    reader = OnlineReader(store)
    with Running(own):
        for user in (withdraws, stays):
            publisher.like(new_like(user))
            wait_until(lambda user=user: recent(reader, user).values.get("likes_last_hour") == 1)

        publisher.change("users", user_row(withdraws, personalised=False, analysed=False), op="u")
        wait_until(lambda: not keys_of(own, withdraws))
        wait_until(lambda: not rows_in_the_marts(own, withdraws))
        # Later acts leave no features either; the like of the other user, published last, shows that they were read.
        publisher.like(new_like(withdraws))
        publisher.like(new_like(stays))
        wait_until(lambda: recent(reader, stays).values.get("likes_last_hour") == 2)
        assert keys_of(own, withdraws) == 0

        publisher.change("users", user_row(withdraws, personalised=True, analysed=True), op="u")
        publisher.like(new_like(withdraws))
        wait_until(lambda: keys_of(own, withdraws) > 0)
    assert rows_in_the_marts(own, stays) == 2


def test_a_starting_worker_completes_earlier_withdrawals(own: Settings, publisher: Publisher) -> None:
    refuses, publishes = str(uuid4()), publisher
    act(own, refuses)
    with psycopg.connect(own.warehouse_url) as connection:
        connection.execute(
            "insert into raw.users (id, personalised, analysed, _event_id, _op, _committed_at, _deleted) "
            "values (%s, false, false, 1, 'c', now(), false)",
            [refuses],
        )
    publishes.like(new_like(refuses))
    with Running(own):
        wait_until(lambda: not rows_in_the_marts(own, refuses))
    assert keys_of(own, refuses) == 0


def test_features_exclude_users_without_consent(own: Settings, store: FeatureStore) -> None:
    assert store is not None
    refuses, stays, post = str(uuid4()), str(uuid4()), str(uuid4())
    yesterday = NOW - timedelta(days=1)
    rows = {
        "users": [
            change("users", id=refuses, personalised=True, created_at=yesterday),
            change("users", id=refuses, personalised=False, created_at=yesterday),
        ],
        "post_likes": [
            change("post_likes", id=str(uuid4()), post_id=post, user_id=user, created_at=yesterday)
            for user in (refuses, stays)
        ],
    }
    for table, changes in rows.items():
        lake_frame(table, changes).write_delta(own.lake_path("events", table), storage_options=own.lake_storage_options)
    with psycopg.connect(own.warehouse_url) as connection:
        connection.execute(
            "insert into raw.users (id, personalised, _event_id, _op, _committed_at, _deleted) "
            "values (%s, false, 1, 'c', now(), false)",
            [refuses],
        )
    # A row that a run in between wrote, before the withdrawal had reached it.
    with psycopg.connect(own.feast_database_url) as connection:
        connection.execute("insert into offline.user_affinity (user_id, event_timestamp) values (%s, now())", [refuses])
    compute_days(own, view=names.USER_ACTIVITY, first=yesterday.date(), last=yesterday.date())
    at = datetime.now(UTC)
    compute_latest(own, at=at, views=[names.USER_ACTIVITY, names.USER_AFFINITY])
    materialize(own, until=at)
    with psycopg.connect(own.feast_database_url) as connection:
        for view in (names.USER_ACTIVITY, names.USER_AFFINITY):
            query = f"select distinct user_id from offline.{view} where user_id = any(%s)"
            assert connection.execute(query.encode(), [[refuses, stays]]).fetchall() == [(stays,)], view
    assert keys_of(own, refuses) == 0
    assert keys_of(own, stays) > 0


def test_an_erased_user_counts_as_without_consent(own: Settings) -> None:
    gone, stays = str(uuid4()), str(uuid4())
    frame = lake_frame(
        "users",
        [
            change("users", id=gone, personalised=True, analysed=True, erased_at=NOW, created_at=NOW),
            change("users", id=stays, created_at=NOW),
        ],
    )
    both, other = frozenset({gone}), frozenset({stays})
    assert split_by_consent(frame) == (UsersByPurpose(both, both), UsersByPurpose(other, other))
    assert read_withdrawals(own) == UsersByPurpose(frozenset(), frozenset())
