from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Self
from uuid import uuid4

import orjson
import pytest
from kafka import KafkaProducer
from redis import Redis

from feature_repo.online import OnlineReader, OnlineRow, Staleness
from feature_repo.vendor_patches import FeatureStore
from neighborconnect.contracts.health import read_health
from neighborconnect.contracts.topics import INTERACTIONS_TOPIC, STREAM_BY_TABLE
from neighborconnect.kafka_options import client_options
from neighborconnect.settings import Settings
from pipelines.ingest.decode import decode
from pipelines.ingest.erasure_confirmation import UNCONFIRMED
from pipelines.stream.erased_users import ErasedUsers
from pipelines.stream.worker import NAME, StreamWorker
from tests.pipelines.ingest.api import request_erasure
from tests.pipelines.ingest.events import row_change
from transactional_api.cdc.messages import OutboxRow, to_message

PATIENCE_SECONDS = 60.0


class Publisher:
    """Writes to Kafka what the relay would, with rising event ids."""

    def __init__(self, settings: Settings) -> None:
        self._producer = KafkaProducer(**client_options(settings.kafka_bootstrap_servers), acks="all")
        self._next_id = time.time_ns() // 1_000

    def like(self, row: dict[str, str], *, op: str = "c") -> None:
        self.change("post_likes", row, op=op)

    def change(self, table: str, row: Mapping[str, object], *, op: str) -> None:
        image = orjson.dumps(row).decode()
        before, after = (image, None) if op == "d" else (None, image)
        self._send(STREAM_BY_TABLE[table].topic, key=str(row["id"]), op=op, before=before, after=after, payload=None)

    def erase(self, erasure_id: str, user_id: str) -> None:
        row = {"id": erasure_id, "user_id": user_id, "keeps_words": False}
        image = orjson.dumps(row | {"requested_at": datetime.now(UTC).isoformat()}).decode()
        self._send(STREAM_BY_TABLE["erasures"].topic, key=erasure_id, op="c", before=None, after=image, payload=None)

    def interact(self, payload: dict[str, str | int | None]) -> None:
        text = orjson.dumps(payload).decode()
        self._send(INTERACTIONS_TOPIC, key=str(payload["user_id"]), op=None, before=None, after=None, payload=text)

    def _send(
        self, topic: str, *, key: str, op: str | None, before: str | None, after: str | None, payload: str | None
    ) -> None:
        self._next_id += 1
        now = time.time_ns() // 1_000_000
        row = OutboxRow(self._next_id, topic, key, op, before, after, payload, 1, None, now)
        message = to_message(row, database="neighborconnect", now_ms=now)
        # Sent twice: duplicates are allowed in Kafka.
        for _ in range(2):
            self._producer.send(
                message.topic,
                key=message.key,
                value=message.value,
                headers=message.headers,
                timestamp_ms=message.timestamp_ms,
            ).get(timeout=PATIENCE_SECONDS)

    def close(self) -> None:
        self._producer.close()


@pytest.fixture
def publisher(settings: Settings) -> Iterator[Publisher]:
    opened = Publisher(settings)
    yield opened
    opened.close()


@pytest.fixture
def reader(store: FeatureStore) -> OnlineReader:
    return OnlineReader(store)


class Running:
    """A stream worker in a thread, ready."""

    def __init__(self, settings: Settings) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=StreamWorker(settings, stop=self._stop).run)

    def __enter__(self) -> Self:
        started = time.time()
        self._thread.start()
        wait_until(lambda: (health := read_health(NAME)) is not None and health.ready and health.updated_at > started)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=PATIENCE_SECONDS)
        assert not self._thread.is_alive()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def new_like(user_id: str) -> dict[str, str]:
    return {
        "id": str(uuid4()),
        "post_id": str(uuid4()),
        "user_id": user_id,
        "created_at": datetime.now(UTC).isoformat(),
    }


def recent(reader: OnlineReader, user_id: str) -> OnlineRow:
    return reader.read_user(user_id, model_version="none").recent_activity


def test_likes_and_unlikes_reach_the_online_store(
    settings: Settings, publisher: Publisher, reader: OnlineReader
) -> None:
    user = str(uuid4())
    first, second = new_like(user), new_like(user)
    with Running(settings):
        assert recent(reader, user).staleness is Staleness.MISSING
        publisher.like(first)
        publisher.like(second)
        wait_until(lambda: recent(reader, user).values.get("likes_last_hour") == 2)
        assert recent(reader, user).fresh_values["recent_post_ids"] == [second["post_id"], first["post_id"]]
        publisher.like(first, op="d")
        wait_until(lambda: recent(reader, user).values["likes_last_hour"] == 1)
        assert recent(reader, user).values["recent_post_ids"] == [second["post_id"]]
        publisher.like(second, op="d")
        wait_until(lambda: recent(reader, user).values["likes_last_hour"] == 0)


def test_an_rsvp_a_purchase_and_a_review_reach_the_online_store(
    settings: Settings, publisher: Publisher, reader: OnlineReader
) -> None:
    user, event, item, connector = (str(uuid4()) for _ in range(4))
    now = datetime.now(UTC).isoformat()
    answer = {"id": str(uuid4()), "event_id": event, "user_id": user, "joined_at": now, "status": "attending"}
    purchase = {"id": str(uuid4()), "item_id": item, "buyer_id": user, "created_at": now, "status": "agreed"}
    review = {"id": str(uuid4()), "connector_id": connector, "reviewer_id": user, "created_at": now, "is_active": True}
    counts = ("event_rsvps_last_hour", "purchases_last_hour", "reviews_last_hour")

    def online() -> list[int | None]:
        values = recent(reader, user).values
        return [values.get(name) for name in counts]

    with Running(settings):
        for table, row in (("event_attendees", answer), ("marketplace_purchases", purchase), ("reviews", review)):
            publisher.change(table, row, op="c")
        wait_until(lambda: online() == [1, 1, 1])
        values = recent(reader, user).values
        assert [values[f"recent_{kind}_ids"] for kind in ("event", "item", "connector")] == [
            [event],
            [item],
            [connector],
        ]
        publisher.change("event_attendees", answer | {"status": "declined"}, op="u")
        publisher.change("marketplace_purchases", purchase | {"status": "cancelled"}, op="u")
        publisher.change("reviews", review, op="d")
        wait_until(lambda: online() == [0, 0, 0])


def test_a_running_worker_restores_an_emptied_online_store(
    settings: Settings, publisher: Publisher, reader: OnlineReader
) -> None:
    user = str(uuid4())
    with Running(settings):
        publisher.like(new_like(user))
        wait_until(lambda: recent(reader, user).values.get("likes_last_hour") == 1)
        with Redis.from_url(settings.feast_redis_url) as redis:
            redis.flushdb()
        wait_until(lambda: recent(reader, user).values.get("likes_last_hour") == 1)


def test_a_restarted_worker_reads_the_last_hour_again(
    settings: Settings, publisher: Publisher, reader: OnlineReader
) -> None:
    user = str(uuid4())
    before = new_like(user)
    with Running(settings):
        publisher.like(before)
        wait_until(lambda: recent(reader, user).values.get("likes_last_hour") == 1)
    connector = str(uuid4())
    publisher.interact(
        {
            "interaction_id": str(uuid4()),
            "user_id": user,
            "kind": "visit",
            "item_kind": "connector",
            "item_id": connector,
            "request_id": None,
            "position": None,
            "dwell_ms": None,
            "occurred_at": datetime.now(UTC).isoformat(),
            "received_at": datetime.now(UTC).isoformat(),
        }
    )
    with Running(settings):
        wait_until(lambda: recent(reader, user).values["visits_last_hour"] == 1)
        values = recent(reader, user).values
        assert values["likes_last_hour"] == 1
        assert values["recent_post_ids"] == [before["post_id"]]
        assert values["recent_connector_ids"] == [connector]


@pytest.mark.usefixtures("api")
def test_features_of_erased_users_are_not_pushed_again(
    settings: Settings, publisher: Publisher, reader: OnlineReader
) -> None:
    erasure_id, gone = request_erasure(settings)
    stays = str(uuid4())
    with Running(settings):
        for user in (gone, stays):
            publisher.like(new_like(user))
            wait_until(lambda user=user: recent(reader, user).values.get("likes_last_hour") == 1)  # type: ignore[misc]
        publisher.erase(erasure_id, gone)
        publisher.erase(str(uuid4()), stays)  # Forged: the API knows of no such erasure.
        wait_until(lambda: counter() >= 2)
        with Redis.from_url(settings.feast_redis_url) as redis:
            redis.flushdb()
        for user in (gone, stays):
            publisher.like(new_like(user))
        wait_until(lambda: recent(reader, stays).values.get("likes_last_hour") == 2)
        assert recent(reader, gone).staleness is Staleness.MISSING
    with Redis.from_url(settings.feast_redis_url) as redis:
        redis.flushdb()
    with Running(settings):
        publisher.like(new_like(gone))
        publisher.like(new_like(stays))
        wait_until(lambda: recent(reader, stays).values.get("likes_last_hour") == 3)
        assert recent(reader, gone).staleness is Staleness.MISSING


def test_an_unconfirmed_erasure_withholds_features(settings: Settings, publisher: Publisher) -> None:
    unreachable = settings.model_copy(update={"api_url": "http://127.0.0.1:9"})
    people = ErasedUsers(unreachable)
    stream = STREAM_BY_TABLE["erasures"]
    image = {"id": str(uuid4()), "user_id": str(uuid4()), "keeps_words": False}
    people.add(decode(stream, [row_change(stream, 1, image=image)])[0])
    assert people.advance() == set()
    wait_until(lambda: people.advance() == set() and people._retry_at > 0)
    assert (people.withheld, people.confirmed, people.unconfirmed) == ({image["user_id"]}, set(), 0)
    people.close()


def counter() -> int:
    health = read_health(NAME)
    return health.counters.get(UNCONFIRMED, 0) if health else 0
