"""The way from Kafka to both stores: nothing stops it, nothing is lost, nothing is there twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import polars as pl
import psycopg
import pytest
from kafka import KafkaConsumer, TopicPartition
from typer.testing import CliRunner

from neighborconnect.settings import Settings
from pipelines.ingest import worker
from pipelines.ingest.__main__ import SinkName, make_sink
from pipelines.ingest.dead_letters import DeadLetterWriter, make_producer, pending_letters, replay
from pipelines.ingest.dead_letters_cli import app
from pipelines.ingest.decode import InvalidRecord, KafkaRecord
from pipelines.ingest.erasure_confirmation import ErasureConfirmation
from pipelines.ingest.lake import scan_events
from pipelines.ingest.progress import NotCaughtUpError, ProgressReader, end_offsets, wait_until_caught_up
from pipelines.ingest.worker import Worker
from tests.pipelines.ingest.events import INTERACTIONS, change, interaction
from tests.transactional_api.cdc.rows import Connection, add_user, wait_for

pytestmark = pytest.mark.usefixtures("api")
BOTH = (SinkName.LAKE, SinkName.WAREHOUSE)


@contextmanager
def running(settings: Settings, *names: SinkName) -> Iterator[None]:
    stop = threading.Event()
    workers = []
    for name in names:
        sink, flush_policy = make_sink(name, settings)
        workers.append(
            Worker(
                sink,
                bootstrap_servers=settings.kafka_bootstrap_servers,
                confirmation=ErasureConfirmation(settings),
                flush_policy=flush_policy,
                stop=stop,
            )
        )
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)


def publish(settings: Settings, records: Sequence[KafkaRecord]) -> None:
    """Put records on the partitions they name; Kafka gives them offsets of its own."""
    producer = make_producer(settings.kafka_bootstrap_servers)
    for record in records:
        producer.send(
            record.topic, record.value, key=record.key, partition=record.partition, timestamp_ms=record.timestamp
        )
    producer.flush(30)
    producer.close()


@pytest.fixture
def first_id() -> int:
    """An event id above all that were used."""
    return time.time_ns() // 1_000


def in_lake(settings: Settings, first: int) -> list[int]:
    events = scan_events(settings, "interactions").filter(pl.col("_event_id") >= first)
    return sorted(events.collect()["_event_id"].to_list())


def in_warehouse(settings: Settings, first: int) -> list[int]:
    with psycopg.connect(settings.warehouse_url) as connection:
        rows = connection.execute("SELECT _event_id FROM raw.interactions WHERE _event_id >= %s ORDER BY 1", [first])
        return [row[0] for row in rows]


def is_fed(settings: Settings) -> bool:
    now = ProgressReader(settings).read()
    return now.lake == now.warehouse == 0


def test_an_invalid_record_becomes_a_dead_letter(fresh: Settings, first_id: int) -> None:
    good = [interaction(first_id + n, partition=n % 3) for n in range(6)]
    bad = interaction(first_id + 100, user_id="not a uuid", partition=1)
    before = end_offsets(fresh)
    publish(fresh, [*good[:3], bad, good[3], good[4]._replace(value=b"{nope"), good[5]])
    with running(fresh, *BOTH):
        wait_for(lambda: is_fed(fresh), pause=0.5)
    landed = [first_id + n for n in (0, 1, 2, 3, 5)]
    assert in_lake(fresh, first_id) == in_warehouse(fresh, first_id) == landed

    # Other tests leave dead letters with offsets that the topic does not have.
    after = end_offsets(fresh)
    letters = [
        letter
        for letter in pending_letters(fresh.kafka_bootstrap_servers)
        for place in [TopicPartition(INTERACTIONS.topic, letter.record.partition)]
        if letter.record.topic == INTERACTIONS.topic and before[place] <= letter.record.offset < after[place]
    ]
    assert sorted((letter.sink, letter.reason.partition(":")[0]) for letter in letters) == [
        ("lake", "JSONDecodeError"),
        ("lake", "user_id"),
        ("warehouse", "JSONDecodeError"),
        ("warehouse", "user_id"),
    ]
    (kept, _) = [letter for letter in letters if "user_id" in letter.reason]
    assert (kept.record.key, kept.record.value, kept.record.partition) == (bad.key, bad.value, 1)


def test_a_replayed_letter_is_stored_once_and_settled(fresh: Settings, first_id: int) -> None:
    CliRunner().invoke(app, ["discard", "--all", "--reason", "earlier tests", "--yes"])
    mended = interaction(first_id, partition=2)._replace(headers=[("event-id", b"7")])
    for sink in ("lake", "warehouse"):
        writer = DeadLetterWriter(fresh.kafka_bootstrap_servers, sink=sink)
        writer.write([InvalidRecord(mended, "the column was too narrow then")])
        writer.close()
    letters = pending_letters(fresh.kafka_bootstrap_servers)
    assert [letter.reason for letter in letters].count("the column was too narrow then") >= 2
    assert replay(fresh.kafka_bootstrap_servers, letters) >= (2, 1)
    assert pending_letters(fresh.kafka_bootstrap_servers) == []
    with running(fresh, *BOTH):
        wait_for(lambda: is_fed(fresh), pause=0.5)
    assert in_lake(fresh, first_id) == in_warehouse(fresh, first_id) == [first_id]


def test_the_command_lists_shows_and_replays_letters(fresh: Settings, first_id: int) -> None:
    run = CliRunner().invoke
    run(app, ["discard", "--all", "--reason", "earlier tests", "--yes"])
    assert "No dead letters are pending" in run(app, ["list"]).output
    writer = DeadLetterWriter(fresh.kafka_bootstrap_servers, sink="lake")
    writer.write([InvalidRecord(interaction(first_id), "not a UUID")])
    writer.close()
    (line,) = run(app, ["list", "--json"]).output.splitlines()
    letter = orjson.loads(line)
    assert (letter["sink"], letter["reason"], letter["topic"]) == ("lake", "not a UUID", INTERACTIONS.topic)
    assert "not a UUID" in run(app, ["list"]).output
    assert str(first_id) in run(app, ["show", letter["id"]]).output
    assert run(app, ["show", "9:9"]).exit_code == 1
    assert "1 letters replayed as 1 records" in run(app, ["replay"]).output
    assert "No dead letters are pending" in run(app, ["list"]).output


def test_a_repeated_record_makes_no_second_letter(fresh: Settings, first_id: int) -> None:
    """A rebuild reads the record that a letter was made of, and makes a letter of it once more."""
    run = CliRunner().invoke
    run(app, ["discard", "--all", "--reason", "earlier tests", "--yes"])
    replayed, discarded, waiting = [InvalidRecord(interaction(first_id + n), "bad") for n in range(3)]

    def rebuild() -> None:
        for sink in ("lake", "warehouse"):
            writer = DeadLetterWriter(fresh.kafka_bootstrap_servers, sink=sink)
            writer.write([replayed, discarded])
            writer.close()

    rebuild()
    letters = {letter.record.offset: letter.id for letter in pending_letters(fresh.kafka_bootstrap_servers)}
    assert len(pending_letters(fresh.kafka_bootstrap_servers)) == 4
    for _ in range(2):
        rebuild()
    assert len(pending_letters(fresh.kafka_bootstrap_servers)) == 4
    chosen = [one.id for one in pending_letters(fresh.kafka_bootstrap_servers) if one.record.offset == first_id + 1]
    assert run(app, ["discard", *chosen, "--reason", "a test client", "--yes"]).output == "2 letters discarded.\n"
    assert "2 letters replayed as 1 records" in run(app, ["replay"]).output
    rebuild()
    writer = DeadLetterWriter(fresh.kafka_bootstrap_servers, sink="lake")
    writer.write([waiting])
    writer.close()
    assert [one.record.offset for one in pending_letters(fresh.kafka_bootstrap_servers)] == [first_id + 2]
    assert "1 letters replayed as 1 records" in run(app, ["replay"]).output
    assert letters.keys() == {first_id, first_id + 1}
    gone = [orjson.loads(line) for line in run(app, ["list", "--discarded"]).output.splitlines()]
    reasons = [one["discarded_because"] for one in gone if one["offset"] == first_id + 1]
    assert reasons == ["a test client"] * 2


def test_letters_are_discarded_by_id_topic_or_all(fresh: Settings, first_id: int) -> None:
    run = CliRunner().invoke
    run(app, ["discard", "--all", "--reason", "earlier tests", "--yes"])
    writer = DeadLetterWriter(fresh.kafka_bootstrap_servers, sink="lake")
    writer.write([InvalidRecord(interaction(first_id + n), "bad") for n in range(3)])
    writer.write([InvalidRecord(change(first_id + 9), "bad")])
    writer.close()
    assert run(app, ["discard", "--reason", "none"]).exit_code == 2
    assert run(app, ["discard", "9:9", "--reason", "none", "--yes"]).exit_code == 1
    assert run(app, ["discard", "--all", "--reason", "none"], input="n\n").exit_code == 1
    assert len(pending_letters(fresh.kafka_bootstrap_servers)) == 4
    run(app, ["discard", pending_letters(fresh.kafka_bootstrap_servers)[0].id, "--reason", "one", "--yes"])
    assert len(pending_letters(fresh.kafka_bootstrap_servers)) == 3
    run(app, ["discard", "--topic", INTERACTIONS.topic, "--reason", "their topic", "--yes"])
    assert len(pending_letters(fresh.kafka_bootstrap_servers)) in {0, 1}
    run(app, ["discard", "--all", "--reason", "the rest", "--yes"])
    assert "No dead letters are pending" in run(app, ["list"]).output


def test_rebalancing_workers_store_each_event_once(fresh: Settings, first_id: int) -> None:
    def write(batch: int) -> None:
        ids = range(first_id + batch * 300, first_id + (batch + 1) * 300)
        publish(fresh, [interaction(each, partition=each % 3) for each in ids])

    with running(fresh, *BOTH):
        write(0)
        wait_for(lambda: len(in_lake(fresh, first_id)) > 0, pause=0.5)
        with running(fresh, *BOTH):
            write(1)
            wait_for(lambda: len(in_warehouse(fresh, first_id)) > 300)
            write(2)
        write(3)
        wait_for(lambda: is_fed(fresh), pause=0.5)
    everything = list(range(first_id, first_id + 1_200))
    assert in_lake(fresh, first_id) == in_warehouse(fresh, first_id) == everything


def test_waiting_without_progress_fails(fresh: Settings, database: Connection) -> None:
    add_user(database, city="Delft")
    seen: list[int] = []
    with pytest.raises(NotCaughtUpError, match="no progress"):
        wait_until_caught_up(fresh, timeout=1, on_progress=lambda now: seen.append(now.events))
    assert seen[0] == seen[-1] > 0


class Deaf(KafkaConsumer):  # type: ignore[misc]
    """A client that is given nothing and does not learn of it, as one was seen to be after its group had moved."""

    made = 0
    patience = worker.STALL_SECONDS

    def __init__(self, *topics: str, **options: Any) -> None:
        super().__init__(*topics, **options)
        Deaf.made += 1
        if Deaf.made > 1:  # On a busy machine the second one, which hears, is not given anything within half a second.
            worker.STALL_SECONDS = Deaf.patience  # type: ignore[misc]
        self._hears = Deaf.made > 1

    def poll(self, *arguments: Any, **options: Any) -> Any:
        polled = super().poll(*arguments, **options)
        return polled if self._hears else {}

    def highwater(self, partition: Any) -> Any:
        return super().highwater(partition) if self._hears else None


def test_a_client_that_receives_nothing_reconnects(
    fresh: Settings, first_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "KafkaConsumer", Deaf)
    monkeypatch.setattr(worker, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(Deaf, "made", 0)
    with running(fresh, SinkName.WAREHOUSE):
        wait_for(lambda: Deaf.made == 1, pause=0.1)
        time.sleep(2)  # It has its partitions now, and thinks that they are empty.
        publish(fresh, [interaction(first_id + n, partition=n % 3) for n in range(6)])
        wait_for(lambda: in_warehouse(fresh, first_id) == [first_id + n for n in range(6)], pause=0.5)
    assert Deaf.made == 2


class SlowPositions(KafkaConsumer):  # type: ignore[misc]
    """A client that takes longer than a stall to tell where partitions end, and receives nothing in its next poll."""

    created = 0

    def __init__(self, *topics: str, **options: Any) -> None:
        super().__init__(*topics, **options)
        SlowPositions.created += 1
        self._skipped_polls = 0

    def end_offsets(self, partitions: Any) -> Any:
        time.sleep(2.5)
        self._skipped_polls = 1
        return super().end_offsets(partitions)

    def poll(self, *arguments: Any, **options: Any) -> Any:
        if self._skipped_polls:
            self._skipped_polls -= 1
            return {}
        return super().poll(*arguments, **options)


def stored_in_warehouse(settings: Settings, first_id: int) -> list[int]:
    try:
        return in_warehouse(settings, first_id)
    except psycopg.errors.UndefinedTable:
        return []


def test_slow_positions_are_no_stall(fresh: Settings, first_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(fresh, [interaction(first_id + n, partition=n % 3) for n in range(6)])
    monkeypatch.setattr(worker, "KafkaConsumer", SlowPositions)
    monkeypatch.setattr(worker, "STALL_SECONDS", 2.0)
    monkeypatch.setattr(SlowPositions, "created", 0)
    with running(fresh, SinkName.WAREHOUSE):
        wait_for(lambda: stored_in_warehouse(fresh, first_id) == [first_id + n for n in range(6)], pause=0.5)
    assert SlowPositions.created == 1
