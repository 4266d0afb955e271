"""A person with everything is erased, and then searched for in every copy by id, words and what was made of them."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import mlflow
import numpy as np
import polars as pl
import psycopg
import pytest
import redis
from minio import Minio

from feature_repo.store import apply, build_store, close
from models.recommendation import vectors
from models.recommendation.content import LakeEmbeddingCache, embeddings_path, text_hash
from models.recommendation.tracking import VECTORS_FILE, Tracker
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.features import USER_AFFINITY
from neighborconnect.settings import Settings
from pipelines import dbt, erasure
from pipelines.erasure_models import delete_vectors, vacuum_embeddings
from pipelines.privacy_api import RequestedErasure
from tests.pipelines.ingest.copies import Copies

NOW = datetime.now(UTC)
# The mirror of the product's own tables: an account without a person, emptied posts and comments, and the receipt.
MIRROR = {"raw.users", "raw.posts", "raw.comments", "raw.erasures"}
STAGING = {"staging.stg_users", "staging.stg_posts", "staging.stg_comments", "staging.stg_erasures"}


@dataclass(frozen=True)
class Person:
    """A person who is erased or stays; ``word`` is in every text of theirs."""

    id: str
    word: str
    post: str
    comment: str

    @property
    def text(self) -> str:
        return f"{self.word} title\n{self.word} content"


def person(word: str) -> Person:
    return Person(str(uuid.uuid4()), word, str(uuid.uuid4()), str(uuid.uuid4()))


def live(copies: Copies, one: Person, *, garden: str, friend: str) -> None:
    at = {"created_at": NOW.isoformat()}
    copies.put("users", id=one.id, username=one.word, personalised=True, analysed=True, is_active=True, **at)
    content = {"title": f"{one.word} title", "content": f"{one.word} content"}
    copies.put("posts", id=one.post, connector_id=garden, author_id=one.id, is_active=True, **content, **at)
    copies.put("comments", id=one.comment, post_id=one.post, author_id=one.id, content=one.word, **at)
    copies.put("connector_members", connector_id=garden, user_id=one.id, role="member", joined_at=NOW.isoformat())
    copies.put("post_likes", post_id=one.post, user_id=one.id, **at)
    copies.put("follows", follower_id=friend, followee_id=one.id, **at)
    copies.click(one.id)


def leave(copies: Copies, one: Person) -> None:
    """Do as the product's erasure does: the account is emptied, and so are the words."""
    at = {"created_at": NOW.isoformat()}
    account = {"username": f"gone-{one.id[:8]}", "is_active": False, "erased_at": NOW.isoformat()}
    copies.put("users", id=one.id, personalised=False, analysed=False, **account, **at)
    copies.put("posts", id=one.post, author_id=one.id, title=None, content="", is_active=False, **at)
    copies.put("comments", id=one.comment, author_id=one.id, post_id=one.post, content="", is_active=False, **at)
    copies.put("erasures", user_id=one.id, keeps_words=False, requested_at=NOW.isoformat())


def give_features(settings: Settings, *people: Person) -> None:
    store = build_store(settings)
    try:
        apply(store)
        rows = pl.DataFrame(
            [
                {"user_id": one.id, "event_timestamp": NOW, "categories": ["gardening"], "weights": [1.0]}
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
    runs = Tracker(settings, kind=ItemKind.POST).runs
    run_id = runs.start(run_name="everything")
    numbers = np.ones((len(people), 2), dtype=np.float32)
    data = vectors.to_bytes(vectors.UserVectors(tuple(one.id for one in people), numbers, numbers))
    with mlflow.start_run(run_id=run_id):
        mlflow.log_text("", "card.md")
    key = artifact_key(settings, run_id)
    objects(settings).put_object(settings.s3_mlflow_bucket, key, io.BytesIO(data), len(data))
    assert Tracker(settings, kind=ItemKind.POST).user_vectors(run_id).user_ids == tuple(one.id for one in people)
    return run_id


def artifact_key(settings: Settings, run_id: str) -> str:
    [card] = [
        found.object_name
        for found in objects(settings).list_objects(settings.s3_mlflow_bucket, recursive=True)
        if found.object_name and f"/{run_id}/" in found.object_name
    ]
    return f"{card.rpartition('/')[0]}/{VECTORS_FILE}"


def objects(settings: Settings) -> Minio:
    return Minio(
        settings.s3_endpoint_url.removeprefix("http://"),
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=False,
    )


def places_with(settings: Settings, copies: Copies, *needles: str) -> set[str]:
    """Search every table of the warehouse and of the offline store, the lake, Redis, and every object of MLflow."""
    found = {f"lake.{name}" for needle in needles for name in copies.lake_has(needle)}
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
    store, bucket = objects(settings), settings.s3_mlflow_bucket
    for listed in store.list_objects(bucket, recursive=True):
        data = store.get_object(bucket, str(listed.object_name)).read()
        found |= {"mlflow" for one in needles if one.encode() in data}
    return found


@pytest.fixture
def everything(copies: Copies, tracked: Settings) -> Copies:
    copies.settings = copies.settings.model_copy(update={"mlflow_tracking_uri": tracked.mlflow_tracking_uri})
    return copies


def test_nothing_of_an_erased_person_is_left_in_any_copy(everything: Copies) -> None:
    settings = everything.settings
    gone, stays, garden = person("goneword"), person("staysword"), str(uuid.uuid4())
    at = {"created_at": NOW.isoformat()}
    everything.put("connectors", id=garden, name="Bees", category="Bees", is_public=True, is_active=True, **at)
    for one, friend in ((gone, stays), (stays, gone)):
        live(everything, one, garden=garden, friend=friend.id)
    dbt.run(settings, arguments=["build", "--resource-type", "model"])
    give_features(settings, gone, stays)
    run_id = train(settings, gone, stays)
    shared = "Bees\nbees"
    cache = LakeEmbeddingCache(settings)
    hashes = [text_hash(text) for text in (gone.text, stays.text, shared)]
    cache.write({one: np.ones(3, dtype=np.float32) for one in hashes})
    before = places_with(settings, everything, gone.id, gone.word)
    assert {"lake.posts", "marts.fct_activity", "marts.recommendable_items", "offline.user_affinity"} <= before
    assert {"redis", "mlflow"} <= before

    leave(everything, gone)
    receipts = erasure.forget(settings, [RequestedErasure(str(uuid.uuid4()), gone.id, keeps_words=False)])

    # The next build comes within the hour; until then the marts hold no id, and after it no word.
    assert {name for name in places_with(settings, everything, gone.id) if name.startswith("marts.")} == set()
    dbt.run(settings, arguments=["build", "--resource-type", "model"])
    left = places_with(settings, everything, gone.id)
    assert left <= MIRROR | STAGING | {
        "lake.erasures",
        "lake.posts",
        "lake.comments",
        "intermediate.int_activity",
        "intermediate.int_excluded_people",
    }
    assert places_with(settings, everything, gone.word) == set()
    assert set(cache.read(hashes)) == {text_hash(stays.text), text_hash(shared)}
    assert Tracker(settings, kind=ItemKind.POST).user_vectors(run_id).user_ids == (stays.id,)
    assert {"lake.posts", "marts.fct_activity", "redis", "mlflow"} <= places_with(settings, everything, stays.id)
    numbers = {str(line["place"]): line["number"] for line in receipts.lines(gone.id)}
    assert (numbers["lake:embeddings.text_hash"], numbers["models:user_vectors.user_id"]) == (1, 1)

    # What the deleted rows were in goes with the vacuum.
    assert vacuum_embeddings(settings, after=timedelta(0)) >= 1
    prefix = embeddings_path(settings).partition(f"{settings.s3_lake_bucket}/")[2]
    files = objects(settings).list_objects(settings.s3_lake_bucket, prefix=f"{prefix}/", recursive=True)
    data = [file for file in files if str(file.object_name).endswith(".parquet")]
    stored = pl.concat(
        pl.read_parquet(objects(settings).get_object(settings.s3_lake_bucket, str(file.object_name)).read())
        for file in data
    )
    assert text_hash(gone.text) not in stored["text_hash"]


def test_vectors_go_when_a_version_was_released_and_when_nobody_is_left(everything: Copies) -> None:
    settings, one = everything.settings, person("alone")
    run_id = train(settings, one)
    assert delete_vectors(settings, [one.id]) == {one.id: 1}
    with pytest.raises(FileNotFoundError):
        Tracker(settings, kind=ItemKind.POST).user_vectors(run_id)

    again = train(settings, one)
    Tracker(settings, kind=ItemKind.POST).delete_user_vectors(again)
    with pytest.raises(FileNotFoundError):
        Tracker(settings, kind=ItemKind.POST).user_vectors(again)
    Tracker(settings, kind=ItemKind.POST).delete_user_vectors(again)
