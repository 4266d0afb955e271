"""An empty input does not erase the output of an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from minio import Minio

from feature_repo.offline import ensure_offline_tables
from neighborconnect.contracts import features as names
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from pipelines import empty_input
from pipelines.empty_input import EmptyInputError
from pipelines.features.compute import compute_days, compute_latest
from pipelines.ingest.warehouse_tables import create_tables
from pipelines.training import moderation_feedback, social_graph_snapshot, themes
from pipelines.training.interactions import read_interactions, write_interactions
from tests.pipelines.transforms.lake_rows import change, lake_frame

NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)


@dataclass
class Platform:
    """An empty lake, warehouse and offline store."""

    settings: Settings
    ids: dict[str, str] = field(default_factory=dict)

    def land(self) -> None:
        """Let one person like a post of a connector, yesterday."""
        user, post, connector = (str(uuid4()) for _ in range(3))
        rows: dict[str, dict[str, Any]] = {
            "connectors": {"id": connector, "category": "gardening", "created_at": YESTERDAY, "is_active": True},
            "posts": {
                "id": post,
                "connector_id": connector,
                "author_id": user,
                "created_at": YESTERDAY,
                "is_active": True,
            },
            "post_likes": {"id": str(uuid4()), "post_id": post, "user_id": user, "created_at": YESTERDAY},
        }
        for table, row in rows.items():
            lake_frame(table, [change(table, **row)]).write_delta(
                self.settings.lake_path("events", table), storage_options=self.settings.lake_storage_options
            )

    def lose_the_lake(self) -> None:
        self.settings = self.settings.model_copy(update={"s3_lake_bucket": f"{self.settings.s3_lake_bucket}/gone"})

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.settings.warehouse_url) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def own(settings: Settings, postgres_admin_url: str) -> Iterator[Platform]:
    bucket, database = f"empty-{uuid4().hex[:8]}", f"empty_{uuid4().hex[:8]}"
    Minio(
        settings.s3_endpoint_url.removeprefix("http://"),
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=False,
    ).make_bucket(bucket)
    url = postgres_admin_url.rpartition("/")[0] + f"/{database}"
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f"create database {database}".encode())
        with psycopg.connect(url) as connection:
            create_tables(connection)
        ensure_offline_tables(url)
        yield Platform(
            settings.model_copy(update={"s3_lake_bucket": bucket, "warehouse_url": url, "feast_database_url": url})
        )
        admin.execute(f"drop database {database} with (force)".encode())


@pytest.mark.parametrize("view", [names.USER_ACTIVITY, names.USER_AFFINITY, names.CONNECTOR_STATS, names.POST_STATS])
def test_a_backfill_over_an_empty_lake_deletes_nothing(own: Platform, view: str) -> None:
    own.land()
    first = last = YESTERDAY.date()
    assert compute_days(own.settings, view=view, first=first, last=last) == 1
    before = own.sql(f"select * from offline.{view}")

    own.lose_the_lake()
    with pytest.raises(EmptyInputError, match=str(first)):
        compute_days(own.settings, view=view, first=first - timedelta(days=3), last=last)

    assert own.sql(f"select * from offline.{view}") == before


def test_a_day_without_rows_may_stay_empty(own: Platform) -> None:
    day = YESTERDAY.date()
    assert compute_days(own.settings, view=names.USER_ACTIVITY, first=day - timedelta(days=3), last=day) == 0


def test_hourly_features_over_an_empty_lake_delete_nothing(own: Platform) -> None:
    own.land()
    compute_latest(own.settings, at=NOW)
    before = own.sql("select * from offline.user_activity")

    own.lose_the_lake()
    with pytest.raises(EmptyInputError):
        compute_latest(own.settings, at=NOW)

    assert own.sql("select * from offline.user_activity") == before != []


def test_the_first_hour_retains_the_end_of_the_previous_day(own: Platform) -> None:
    own.land()
    settings, midnight = own.settings, NOW.replace(hour=0, minute=0, second=0, microsecond=0)

    def rows() -> list[tuple[Any, ...]]:
        with psycopg.connect(settings.feast_database_url) as connection:
            query = "SELECT event_timestamp, count(*) FROM offline.user_activity GROUP BY 1 ORDER BY 1"
            return connection.execute(query).fetchall()

    ended = compute_days(settings, view=names.USER_ACTIVITY, first=YESTERDAY.date(), last=YESTERDAY.date())
    at = midnight + timedelta(minutes=5)
    started = compute_latest(settings, at=at, views=[names.USER_ACTIVITY])[names.USER_ACTIVITY]
    assert ended
    assert rows() == [(midnight, ended), (at, started)]


def test_an_empty_lake_does_not_replace_a_training_set(own: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    own.land()
    written = write_interactions(own.settings, kind=ItemKind.POST)
    assert written.interactions.height == 1

    with monkeypatch.context() as patched:
        patched.setattr("pipelines.training.interactions.LakeSnapshot", _lost(own.settings))
        with pytest.raises(EmptyInputError):
            write_interactions(own.settings, kind=ItemKind.POST)

    assert read_interactions(own.settings, kind=ItemKind.POST).data_version == written.data_version


def _lost(settings: Settings) -> Callable[[Settings], Any]:
    """Open a lake that has no table, whatever the settings say."""
    from pipelines.ingest.lake import LakeSnapshot  # noqa: PLC0415

    gone = settings.model_copy(update={"s3_lake_bucket": f"{settings.s3_lake_bucket}/gone"})
    return lambda _settings: LakeSnapshot(gone)


def test_marts_are_not_rebuilt_from_an_empty_mirror(own: Platform) -> None:
    own.sql("create schema marts")
    own.sql("create table marts.fct_posts (post_id uuid)")
    empty_input.require_mirrors(own.settings)
    own.sql("insert into marts.fct_posts values (gen_random_uuid())")
    with pytest.raises(EmptyInputError, match=r"marts\.fct_posts"):
        empty_input.require_mirrors(own.settings)

    own.sql(
        "insert into raw.posts (id, _event_id, _op, _committed_at, _deleted) "
        "values (gen_random_uuid(), 1, 'c', now(), false)"
    )
    empty_input.require_mirrors(own.settings)


def test_an_empty_mirror_replaces_no_snapshot(own: Platform) -> None:
    own.sql(
        "insert into raw.users (id, is_active, personalised, _event_id, _op, _committed_at, _deleted) "
        "values (gen_random_uuid(), true, true, 1, 'c', now(), false)"
    )
    own.sql(
        "insert into raw.posts (id, content, _event_id, _op, _committed_at, _deleted) "
        "values (gen_random_uuid(), 'A rude word', 1, 'c', now(), false)"
    )
    own.sql(
        "insert into raw.moderation_decisions (id, subject_kind, subject_id, outcome, created_at, "
        "_event_id, _op, _committed_at, _deleted) "
        "select gen_random_uuid(), 'post', id, 'hide', now(), 2, 'c', now(), false from raw.posts"
    )
    _, version = social_graph_snapshot.publish_current(own.settings)
    _, feedback = moderation_feedback.write(own.settings)
    own.sql("truncate raw.users, raw.moderation_decisions")

    with pytest.raises(EmptyInputError):
        social_graph_snapshot.publish_current(own.settings)
    with pytest.raises(EmptyInputError):
        moderation_feedback.write(own.settings)

    assert social_graph_snapshot.read_newest(own.settings)[1].endswith(version)
    assert moderation_feedback.read(own.settings)[1] == feedback


def test_a_graph_without_consenting_users_is_published(own: Platform) -> None:
    own.sql(
        "insert into raw.users (id, is_active, personalised, _event_id, _op, _committed_at, _deleted) "
        "values (gen_random_uuid(), true, true, 1, 'c', now(), false)"
    )
    social_graph_snapshot.publish_current(own.settings)
    own.sql("update raw.users set personalised = false")
    assert social_graph_snapshot.publish_current(own.settings)[0].users == ()


def test_topics_are_not_replaced_by_an_empty_result(own: Platform) -> None:
    row = {"connector_id": themes.OVERALL, "rank": 0, "label": "bees", "posts": 3, "share": 1.0}
    frame = pl.DataFrame([row], schema=themes.SCHEMA)
    themes.write(own.settings, frame)
    with pytest.raises(EmptyInputError):
        themes.write(own.settings, frame.clear())
