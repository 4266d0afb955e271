"""An erasure event is stored only after the API has confirmed it; anybody could have written it to Kafka."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from neighborconnect.contracts.health import read_health
from neighborconnect.settings import Settings
from pipelines.ingest.dead_letters import pending_letters
from pipelines.ingest.decode import KafkaRecord
from pipelines.ingest.erasure_confirmation import UNCONFIRMED, ErasureConfirmation
from pipelines.privacy import erasure
from tests.pipelines.ingest.api import request_erasure
from tests.pipelines.ingest.events import interaction, row_change
from tests.pipelines.ingest.isolated_topics import SINKS, IsolatedTopics, ids
from tests.transactional_api.cdc.rows import wait_for

pytestmark = pytest.mark.usefixtures("api")


@pytest.fixture
def topics(fresh: Settings) -> Iterator[IsolatedTopics]:
    opened = IsolatedTopics(fresh, "erasures", "interactions")
    yield opened
    opened.close()


def event(topics: IsolatedTopics, erasure_id: str, user_id: str, *, op: str = "c", keeps: bool = False) -> KafkaRecord:
    image = {"id": erasure_id, "user_id": user_id, "keeps_words": keeps, "requested_at": "2026-05-01T12:00:00Z"}
    [number] = ids(1)
    return row_change(topics.stream("erasures"), number, image=image, op=op)


def test_a_forged_erasure_becomes_a_dead_letter(topics: IsolatedTopics) -> None:
    real, person = request_erasure(topics.settings)
    _, other = request_erasure(topics.settings)
    victim, forged = str(uuid.uuid4()), str(uuid.uuid4())
    records = [
        event(topics, forged, victim),
        event(topics, real, person),
        event(topics, real, victim),
        event(topics, real, person, keeps=True),
        event(topics, real, person, op="d"),
        event(topics, str(uuid.uuid4()), other, op="d"),
    ]
    topics.publish("erasures", records)
    with topics.running(*SINKS):
        for sink in SINKS:
            wait_for(lambda sink=sink: len(topics.stored(sink, "erasures")) == 2, pause=0.2)  # type: ignore[misc]
            assert {real} < topics.column(sink, "erasures", "id")
            assert victim not in topics.column(sink, "erasures", "user_id")
            name = f"test-{topics.name}-{sink}"
            wait_for(lambda name=name: _unconfirmed(name) == 4)  # type: ignore[misc]
    letters = [
        (letter.sink, letter.record.offset, letter.reason)
        for letter in pending_letters(topics.settings.kafka_bootstrap_servers)
        if letter.record.topic == topics.stream("erasures").topic
    ]
    expected = [
        (0, "the API has no erasure with this id"),
        (2, "the API has this erasure for another user or in another form"),
        (3, "the API has this erasure for another user or in another form"),
        (4, "the API still has this erasure"),
    ]
    assert sorted(letters) == sorted((sink, *one) for sink in SINKS for one in expected)
    wanted = {(one.id, one.user_id) for one in erasure.read_due_erasures(topics.settings)}
    assert (real, person) in wanted
    assert victim not in {user for _, user in wanted}


def test_only_erasures_are_postponed_while_the_api_is_down(topics: IsolatedTopics) -> None:
    real, person = request_erasure(topics.settings)
    confirmation = ErasureConfirmation(topics.settings.model_copy(update={"api_url": "http://127.0.0.1:9"}))
    clicks = ids(6)
    topics.publish("erasures", [event(topics, real, person)])
    with topics.running(*SINKS, confirmation=confirmation):
        topics.publish("interactions", [interaction(one, partition=one % 3) for one in clicks])
        for sink in SINKS:
            wait_for(lambda sink=sink: topics.stored(sink) == clicks, pause=0.2)  # type: ignore[misc]
            name = f"test-{topics.name}-{sink}"
            wait_for(lambda name=name: "postponed until the API" in _detail(name))  # type: ignore[misc]
            assert topics.stored(sink, "erasures") == []
        confirmation._settings = topics.settings  # The API comes back.
        for sink in SINKS:
            wait_for(lambda sink=sink: len(topics.stored(sink, "erasures")) == 1, pause=0.2)  # type: ignore[misc]


def _unconfirmed(name: str) -> int:
    health = read_health(name)
    return health.counters.get(UNCONFIRMED, 0) if health else 0


def _detail(name: str) -> str:
    health = read_health(name)
    return health.detail if health else ""
