"""A person with everything is erased, and then searched for in every copy by id, words and what was made of them."""

from __future__ import annotations

import io
import itertools
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import psycopg
import pytest
import redis
from minio import Minio

from feature_repo.store import apply, build_store, close
from models.content.embeddings import LakeEmbeddingCache, embeddings_path, text_hash
from models.recommendation import user_vectors
from models.recommendation.recommender_tracker import VECTORS_FILE, RecommenderTracker
from models.registry import model_version_name
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.features import USER_AFFINITY
from neighborconnect.contracts.models import REGISTERED_MODEL
from neighborconnect.contracts.topics import STREAM_BY_TABLE
from neighborconnect.settings import Settings
from pipelines.ingest.dead_letters import DeadLetter, DeadLetterWriter, open_consumer, pending_letters, read_from
from pipelines.ingest.decode import InvalidRecord
from pipelines.ingest.lake import vacuum_path
from pipelines.privacy import erasure
from pipelines.privacy.model_erasure import delete_vectors
from pipelines.privacy.training_set_files import record_file
from pipelines.privacy_api import RequestedErasure
from pipelines.training.sensors import retraining_sensor
from pipelines.warehouse import dbt
from tests.pipelines.analytical_stores import AnalyticalStores
from tests.pipelines.ingest.events import interaction

NOW = datetime.now(UTC)
EVENT_IDS = itertools.count(time.time_ns() // 1_000)
# The mirror of the product's own tables: an account without a person, emptied posts and comments, and the receipt.
_REDACTED = ("users", "posts", "comments", "events", "marketplace_items", "reviews", "erasures")
MIRROR = {f"raw.{table}" for table in _REDACTED}
STAGING = {f"staging.stg_{table}" for table in _REDACTED}


@dataclass(frozen=True)
class Person:
    """A person who is erased or stays; ``word`` is in every text of theirs."""

    id: str
    word: str
    post: str
    comment: str
    event: str
    item: str
    review: str

    @property
    def text(self) -> str:
        return f"{self.word} title\n{self.word} content"


def person(word: str) -> Person:
    return Person(str(uuid.uuid4()), word, *(str(uuid.uuid4()) for _ in range(5)))


def live(stores: AnalyticalStores, one: Person, *, garden: str, friend: str) -> None:
    at = {"created_at": NOW.isoformat()}
    names = {"username": one.word, "neighborhood": one.word, "city": one.word}
    stores.put("users", id=one.id, personalised=True, analysed=True, is_active=True, **names, **at)
    stores.put("events", created_by=one.id, connector_id=garden, **event_of(one), start_date=NOW.isoformat(), **at)
    stores.put("marketplace_items", seller_id=one.id, connector_id=garden, **item_of(one), is_active=True, **at)
    stores.put("reviews", reviewer_id=one.id, connector_id=garden, **review_of(one), rating=4, is_active=True, **at)
    content = {"title": f"{one.word} title", "content": f"{one.word} content"}
    stores.put("posts", id=one.post, connector_id=garden, author_id=one.id, is_active=True, **content, **at)
    stores.put("comments", id=one.comment, post_id=one.post, author_id=one.id, content=one.word, **at)
    stores.put("connector_members", connector_id=garden, user_id=one.id, role="member", joined_at=NOW.isoformat())
    stores.put("post_likes", post_id=one.post, user_id=one.id, **at)
    stores.put("follows", follower_id=friend, followee_id=one.id, **at)
    stores.click(one.id)


def event_of(one: Person) -> dict[str, str]:
    return {"id": one.event, "title": one.word, "description": one.word, "location": f"{one.word} street 3"}


def item_of(one: Person) -> dict[str, str]:
    return {"id": one.item, "title": one.word, "description": one.word, "category": "tools", "status": "available"}


def review_of(one: Person) -> dict[str, str]:
    return {"id": one.review, "title": one.word, "content": one.word}


def leave(stores: AnalyticalStores, one: Person) -> None:
    """Do as the product's erasure does: the account is emptied, and so are the words."""
    at = {"created_at": NOW.isoformat()}
    account = {"username": f"gone-{one.id[:8]}", "is_active": False, "erased_at": NOW.isoformat()}
    stores.put("users", id=one.id, personalised=False, analysed=False, **account, **at)
    stores.put("posts", id=one.post, author_id=one.id, title=None, content="", is_active=False, **at)
    stores.put("comments", id=one.comment, author_id=one.id, post_id=one.post, content="", is_active=False, **at)
    stores.put("events", id=one.event, created_by=one.id, title="An event", description="", **at)
    stores.put("marketplace_items", id=one.item, seller_id=one.id, title="An item", description="", **at)
    stores.put("reviews", id=one.review, reviewer_id=one.id, title="", content="", is_active=False, **at)
    stores.put("erasures", user_id=one.id, keeps_words=False, requested_at=NOW.isoformat())


def give_features(settings: Settings, *people: Person) -> None:
    store = build_store(settings)
    try:
        apply(store)
        rows = pl.DataFrame(
            [
                {
                    "user_id": one.id,
                    "event_timestamp": NOW,
                    "categories": ["gardening"],
                    "weights": [1.0],
                    "evidence": 1.0,
                }
                for one in people
            ]
        )
        store.write_to_online_store(USER_AFFINITY, rows.to_pandas())
    finally:
        close(store)
    with psycopg.connect(settings.feast_database_url) as connection:
        connection.cursor().executemany(
            "INSERT INTO offline.user_affinity (user_id, event_timestamp) VALUES (%s, %s)",
            [(one.id, NOW) for one in people],
        )


def train(settings: Settings, *people: Person) -> str:
    """Leave an MLflow run that has the people's vectors, as a training does; return its id."""
    tracker = RecommenderTracker(settings, kind=ItemKind.POST)
    run_id = tracker.start(run_name="everything")
    numbers = np.ones((len(people), 2), dtype=np.float32)
    data = user_vectors.to_bytes(user_vectors.UserVectors(tuple(one.id for one in people), numbers, numbers))
    registered = tracker.register(run_id, files={}, card="", trained_on=[one.id for one in people])
    tracker.promote(registered.registry_version)
    key = artifact_key(settings, run_id)
    objects(settings).put_object(settings.s3_mlflow_bucket, key, io.BytesIO(data), len(data))
    assert tracker.user_vectors(run_id).user_ids == tuple(one.id for one in people)
    return run_id


def artifact_key(settings: Settings, run_id: str) -> str:
    [influence] = [
        found.object_name
        for found in objects(settings).list_objects(settings.s3_mlflow_bucket, recursive=True)
        if found.object_name and f"/{run_id}/" in found.object_name
    ]
    return f"{influence.rpartition('/')[0]}/{VECTORS_FILE}"


def objects(settings: Settings) -> Minio:
    return Minio(
        settings.s3_endpoint_url.removeprefix("http://"),
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=False,
    )


def places_with(settings: Settings, stores: AnalyticalStores, *needles: str) -> set[str]:
    """Search every table of the warehouse and of the offline store, the lake, Redis, and every object of MLflow."""
    found = {f"lake.{name}" for needle in needles for name in stores.lake_has(needle)}
    for url in (settings.warehouse_url, settings.feast_database_url):
        with psycopg.connect(url) as connection:
            tables = connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables "
                "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            for schema, table in tables:
                for needle in needles:
                    query = f'SELECT 1 FROM "{schema}"."{table}" t WHERE t::text LIKE %s LIMIT 1'
                    if connection.execute(query, [f"%{needle}%"]).fetchone():
                        found.add(f"{schema}.{table}")
    with redis.Redis.from_url(settings.feast_redis_url) as online:
        found |= {"redis" for key in online.scan_iter(count=1_000) for one in needles if one.encode() in key}
    found |= {"dead_letters"} if letters_with(settings, *needles) else set()
    store, bucket = objects(settings), settings.s3_mlflow_bucket
    for listed in store.list_objects(bucket, recursive=True):
        data = store.get_object(bucket, str(listed.object_name)).read()
        found |= {"mlflow" for one in needles if one.encode() in data}
    return found


@pytest.fixture
def everything(stores: AnalyticalStores, tracked: Settings) -> AnalyticalStores:
    stores.settings = stores.settings.model_copy(update={"mlflow_tracking_uri": tracked.mlflow_tracking_uri})
    return stores


def write_letters(settings: Settings, one: Person) -> None:
    """Leave a letter of each sink, with an event that holds the id and the word."""
    event = interaction(next(EVENT_IDS), user_id=one.id)
    for sink in ("lake", "warehouse"):
        writer = DeadLetterWriter(settings.kafka_bootstrap_servers, sink=sink)
        writer.write([InvalidRecord(event._replace(value=event.value + one.word.encode()), "not JSON")])
        writer.close()


def is_of(letter: DeadLetter, one: Person) -> bool:
    return one.word.encode() in (letter.record.value or b"")


def letters_with(settings: Settings, *needles: str) -> int:
    """Count the records of the topic of dead letters that contain one of the texts."""
    consumer = open_consumer(settings.kafka_bootstrap_servers)
    partitions = list(consumer.assignment())
    starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    records = [record for _, record in read_from(consumer, starts, ends=ends)]
    consumer.close()
    return sum(any(one.encode() in (record.value or b"") for one in needles) for record in records)


def files_with(settings: Settings, word: str) -> set[str]:
    """Search the files of the lake, the log of its tables included; the columns of Parquet files are read."""
    found = set()
    for listed in objects(settings).list_objects(settings.s3_lake_bucket, recursive=True):
        key = str(listed.object_name)
        data = objects(settings).get_object(settings.s3_lake_bucket, key).read()
        text = str(pl.read_parquet(io.BytesIO(data)).to_dicts()) if key.endswith(".parquet") else data.decode("latin-1")
        if word in text:
            found.add(key)
    return found


def test_no_copy_has_data_of_an_erased_user(everything: AnalyticalStores, tmp_path: Path) -> None:
    settings = everything.settings
    gone, stays, garden = person("goneword"), person("staysword"), str(uuid.uuid4())
    at = {"created_at": NOW.isoformat()}
    everything.put("connectors", id=garden, name="Bees", category="Bees", is_public=True, is_active=True, **at)
    for one, friend in ((gone, stays), (stays, gone)):
        live(everything, one, garden=garden, friend=friend.id)
    dbt.run(settings, arguments=["build", "--exclude-resource-type", "unit_test", "test"])
    give_features(settings, gone, stays)
    run_id = train(settings, gone, stays)
    shared = "Bees\nbees"
    cache = LakeEmbeddingCache(settings)
    hashes = [text_hash(text) for text in (gone.text, stays.text, shared)]
    cache.write({one: np.ones(3, dtype=np.float32) for one in hashes})
    for one in (gone, stays):
        write_letters(settings, one)
    owned = tmp_path / "set.parquet"
    record_file(settings, owned, rows=pl.DataFrame({"user_id": [gone.id, stays.id]}))
    before = places_with(settings, everything, gone.id, gone.word)
    assert {"lake.posts", "marts.fct_activity", "marts.recommendable_items", "offline.user_affinity"} <= before
    assert {"redis", "mlflow", "dead_letters", "snapshots.user_profile_history"} <= before
    assert files_with(settings, gone.word) != set()

    leave(everything, gone)
    receipts = erasure.erase(settings, [RequestedErasure(str(uuid.uuid4()), gone.id, keep_words=False)])

    # The next build comes within the hour; until then the marts hold no id, and after it no word.
    assert {name for name in places_with(settings, everything, gone.id) if name.startswith("marts.")} == set()
    dbt.run(settings, arguments=["build", "--exclude-resource-type", "unit_test", "test"])
    left = places_with(settings, everything, gone.id)
    assert left <= MIRROR | STAGING | {
        "lake.erasures",
        "lake.posts",
        "lake.comments",
        "lake.events",
        "lake.marketplace_items",
        "lake.reviews",
        "intermediate.int_activity",
        "intermediate.int_excluded_users",
    }
    assert places_with(settings, everything, gone.word) == set()
    assert set(cache.read(hashes)) == {text_hash(stays.text), text_hash(shared)}
    assert RecommenderTracker(settings, kind=ItemKind.POST).user_vectors(run_id).user_ids == (stays.id,)
    assert {"lake.posts", "marts.fct_activity", "redis", "mlflow"} <= places_with(settings, everything, stays.id)
    numbers = {str(line["location"]): line["row_count"] for line in receipts.lines(gone.id)}
    assert (numbers["lake:embeddings.text_hash"], numbers["models:user_vectors.user_id"]) == (1, 1)
    name, version = REGISTERED_MODEL[ItemKind.POST], model_version_name(REGISTERED_MODEL[ItemKind.POST], run_id=run_id)
    influenced = {"name": name, "model_version": version, "is_champion": True}
    assert receipts.influenced_models == {gone.id: [influenced]}

    letters = [letter.sink for letter in pending_letters(settings.kafka_bootstrap_servers) if is_of(letter, stays)]
    assert sorted(letters) == ["lake", "warehouse"]
    assert (letters_with(settings, gone.id, gone.word), letters_with(settings, stays.word)) == (0, 2)
    assert [file.partition(":")[2] for file in receipts.training_set_files[gone.id]] == [str(owned)]

    # The vacuum deletes the files of the deleted rows.
    assert files_with(settings, gone.word) != set()
    for table in STREAM_BY_TABLE:
        vacuum_path(settings, settings.lake_path("events", table), after=timedelta(0))
    assert vacuum_path(settings, embeddings_path(settings), after=timedelta(0)) >= 1
    assert files_with(settings, gone.word) == set()
    assert [key for key in files_with(settings, text_hash(gone.text)) if key.endswith(".parquet")] == []
    assert files_with(settings, stays.word) != set()


def test_user_vectors_are_deleted_with_their_last_user(everything: AnalyticalStores) -> None:
    settings, one = everything.settings, person("alone")
    run_id = train(settings, one)
    assert delete_vectors(settings, [one.id]) == {one.id: 1}
    with pytest.raises(FileNotFoundError):
        RecommenderTracker(settings, kind=ItemKind.POST).user_vectors(run_id)

    again = train(settings, one)
    RecommenderTracker(settings, kind=ItemKind.POST).delete_user_vectors(again)
    with pytest.raises(FileNotFoundError):
        RecommenderTracker(settings, kind=ItemKind.POST).user_vectors(again)
    RecommenderTracker(settings, kind=ItemKind.POST).delete_user_vectors(again)


def test_models_trained_on_an_erased_user_are_trained_again(
    everything: AnalyticalStores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, gone, stays = everything.settings, person("goneagain"), person("staysagain")
    due = [RequestedErasure(str(uuid.uuid4()), gone.id, keep_words=False, is_reported=False)]
    monkeypatch.setattr(erasure, "read_due_erasures", lambda _settings: due)

    def requested() -> list[str | None]:
        result = retraining_sensor(dg.build_sensor_context(instance=instance, resources={"settings": settings}))
        return [request.job_name for request in result] if isinstance(result, list) else []

    train(settings, gone, stays)
    assert requested() == [], "the lake still has the user"
    due[0] = replace(due[0], is_reported=True)
    assert requested() == ["train_recommenders"]
    train(settings, stays)
    assert requested() == [], "the new champion was not trained on them"
