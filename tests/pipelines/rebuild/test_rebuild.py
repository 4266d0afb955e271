"""A store that is emptied under its running worker is filled again: completely, once, and without erased people."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from neighborconnect.contracts.topics import STREAMS
from neighborconnect.settings import Settings
from pipelines.ingest.decode import KafkaRecord, decode
from pipelines.ingest.progress import NotCaughtUpError
from pipelines.ingest.rebuild_log import RebuildRunningError, exclusive_rebuild, unfinished_rebuilds
from pipelines.ingest.sinks import SinkResetError, TopicPartition
from pipelines.rebuild import cli as rebuild_cli
from pipelines.rebuild import rebuild as engine
from tests.pipelines.ingest.api import request_erasure
from tests.pipelines.ingest.events import interaction, next_offsets, row_change
from tests.pipelines.ingest.isolated_topics import SINKS, IsolatedTopics, ids
from tests.transactional_api.cdc.rows import Connection, add_user, running_relay, wait_for

pytestmark = pytest.mark.usefixtures("api")

KILLED = """
import os, signal, sys
sys.path.insert(0, os.getcwd())
from dataclasses import replace
from neighborconnect.contracts.topics import STREAM_BY_TABLE
from neighborconnect.settings import get_settings
from pipelines.rebuild.rebuild import rebuild
def report(now):
    if now.step == "fill":
        os.kill(os.getpid(), signal.SIGKILL)
streams = [replace(STREAM_BY_TABLE["interactions"], topic=sys.argv[2])]
rebuild(get_settings(), sys.argv[1], streams=streams, on_progress=report)
"""


def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(rebuild_cli.rebuild)
    return app


@pytest.fixture
def topics(fresh: Settings) -> Iterator[IsolatedTopics]:
    opened = IsolatedTopics(fresh, "interactions", "posts")
    yield opened
    opened.close()


def clicks(numbers: list[int], **values: str) -> list[KafkaRecord]:
    return [interaction(each, partition=each % 3, **values) for each in numbers]


@pytest.mark.parametrize("sink", SINKS)
def test_a_rebuild_under_a_running_worker_loses_nothing(topics: IsolatedTopics, sink: str) -> None:
    before, after = ids(30), ids(3)
    topics.publish("interactions", clicks(before))
    with topics.running(sink):
        wait_for(lambda: topics.stored(sink) == before, pause=0.2)
        rows = topics.rows(sink)
        engine.rebuild(topics.settings, sink, streams=topics.streams)
        assert topics.rows(sink) == rows
        topics.publish("interactions", clicks(after))
        wait_for(lambda: topics.stored(sink) == [*before, *after], pause=0.2)


@pytest.mark.parametrize("sink", SINKS)
def test_events_between_reset_and_detection_hide_no_loss(topics: IsolatedTopics, sink: str) -> None:
    """The repro: the worker held its position in memory, and one write set the offset to the end."""
    before, after = ids(30), ids(3)
    topics.publish("interactions", clicks(before))
    with topics.running(sink):
        wait_for(lambda: topics.stored(sink) == before, pause=0.2)
        engine.reset(topics.settings, sink, streams=topics.streams)
        topics.publish("interactions", clicks(after))
        wait_for(lambda: topics.stored(sink) == before + after, pause=0.2)


@pytest.mark.parametrize("sink", SINKS)
def test_an_idle_worker_refills_emptied_tables(topics: IsolatedTopics, sink: str) -> None:
    before, posts = ids(6), ids(4)
    topics.publish("interactions", clicks(before))
    topics.publish("posts", [row_change(topics.stream("posts"), one, image={"id": str(uuid.uuid4())}) for one in posts])
    with topics.running(sink):
        wait_for(lambda: (topics.stored(sink), topics.stored(sink, "posts")) == (before, posts), pause=0.2)
        engine.reset(topics.settings, sink, streams=[topics.stream("posts")])
        wait_for(lambda: (topics.stored(sink), topics.stored(sink, "posts")) == (before, posts), pause=0.2)


@pytest.mark.parametrize("sink", SINKS)
def test_a_stale_writer_cannot_commit(topics: IsolatedTopics, sink: str) -> None:
    stream = topics.stream("interactions")
    first, second = ids(2)
    records = [interaction(first, offset=0), interaction(second, offset=1)]
    writer = topics.sink(sink)
    writer.open()
    writer.offsets([TopicPartition(stream.topic, 0)])
    writer.write(stream, decode(stream, records[:1])[0], next_offsets(records[:1]))
    writer.check_offsets()
    engine.reset(topics.settings, sink, streams=topics.streams)
    with pytest.raises(SinkResetError):
        writer.write(stream, decode(stream, records[1:])[0], next_offsets(records[1:]))
    with pytest.raises(SinkResetError):
        writer.check_offsets()
    assert topics.stored(sink) == []
    writer.offsets([TopicPartition(stream.topic, 0)])
    writer.write(stream, decode(stream, records)[0], next_offsets(records))
    assert topics.stored(sink) == [first, second]
    writer.close()


@pytest.mark.parametrize("sink", SINKS)
def test_a_killed_rebuild_is_unfinished_until_the_next(topics: IsolatedTopics, sink: str) -> None:
    before = ids(12)
    topics.publish("interactions", clicks(before))
    settings, stream = topics.settings, topics.stream("interactions")
    stores = {"S3_LAKE_BUCKET": settings.s3_lake_bucket, "WAREHOUSE_URL": settings.warehouse_url}
    with topics.running(sink):
        wait_for(lambda: topics.stored(sink) == before, pause=0.2)
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, sink, stream.topic], env=os.environ | stores, check=False
        )
        assert killed.returncode == -signal.SIGKILL
        assert unfinished_rebuilds(settings) == {sink}
        wait_for(lambda: topics.stored(sink) == before, pause=0.2)
        engine.rebuild(settings, sink, streams=[stream])
    assert unfinished_rebuilds(settings) == set()
    assert topics.stored(sink) == before


def test_a_concurrent_rebuild_is_refused(topics: IsolatedTopics) -> None:
    before = ids(3)
    topics.publish("interactions", clicks(before))
    with topics.running("warehouse"):
        wait_for(lambda: topics.stored("warehouse") == before, pause=0.2)
    with exclusive_rebuild(topics.settings), pytest.raises(RebuildRunningError, match="Another rebuild is running"):
        engine.rebuild(topics.settings, "warehouse", streams=topics.streams)
    assert topics.stored("warehouse") == before


def test_a_rebuild_without_a_worker_fails_with_the_reason(topics: IsolatedTopics) -> None:
    topics.publish("interactions", clicks(ids(3)))
    with pytest.raises(NotCaughtUpError, match="ingest-warehouse"):
        engine.rebuild(topics.settings, "warehouse", streams=topics.streams, timeout=0.1)
    assert unfinished_rebuilds(topics.settings) == {"warehouse"}


@pytest.mark.parametrize("sink", SINKS)
def test_expired_events_are_refused_or_retained(topics: IsolatedTopics, sink: str) -> None:
    before, settings = ids(12), topics.settings
    streams = [topics.stream("interactions")]
    topics.publish("interactions", clicks(before))
    with topics.running(*SINKS):
        for each in SINKS:
            wait_for(lambda each=each: topics.stored(each) == before, pause=0.2)  # type: ignore[misc]
        topics.expire("interactions", before=2)
        with pytest.raises(engine.HistoryLostError, match="complete history of interactions"):
            engine.rebuild(settings, sink, streams=streams)
        assert topics.stored(sink) == before
        assert unfinished_rebuilds(settings) == set()
        if sink == "warehouse":
            with psycopg.connect(settings.warehouse_url) as connection:
                connection.execute("TRUNCATE raw.interactions")
        engine.rebuild(settings, sink, streams=streams, snapshot=True)
        assert topics.stored(sink) == before


@pytest.mark.parametrize("sink", SINKS)
def test_erased_users_do_not_come_back(topics: IsolatedTopics, database: Connection, sink: str) -> None:
    settings = topics.settings
    erasure_id, person = request_erasure(settings)
    database.execute("UPDATE erasures SET requested_at = now() - interval '90 days' WHERE id = %s", [erasure_id])
    stays = str(uuid.uuid4())
    topics.publish("interactions", [*clicks(ids(5), user_id=person), *clicks(ids(5), user_id=stays)])
    with topics.running(sink):
        wait_for(lambda: len(topics.stored(sink)) == 10, pause=0.2)
        engine.rebuild(settings, sink, streams=topics.streams)
        assert topics.column(sink, "interactions", "user_id") == {stays}
    assert len(topics.stored(sink)) == 5


def test_nothing_is_emptied_without_the_list_of_erasures(
    topics: IsolatedTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ids(3)
    topics.publish("interactions", clicks(before))
    with topics.running("warehouse"):
        wait_for(lambda: topics.stored("warehouse") == before, pause=0.2)
    unreachable = topics.settings.model_copy(update={"api_url": "http://127.0.0.1:9"})
    monkeypatch.setattr(rebuild_cli, "get_settings", lambda: unreachable)
    answer = CliRunner().invoke(command(), ["warehouse", "--yes"])
    assert answer.exit_code == 1
    assert "did not list the erasures" in answer.output
    assert topics.stored("warehouse") == before


def test_a_recreated_topic_is_read_from_its_beginning(
    topics: IsolatedTopics,
) -> None:
    before, after = ids(9), ids(3)
    topics.publish("interactions", clicks(before))
    with topics.running("warehouse"):
        wait_for(lambda: topics.stored("warehouse") == before, pause=0.2)
        topics.delete()
        wait_for(lambda: _created(topics.create), pause=0.5)
        topics.publish("interactions", clicks(after))
        wait_for(lambda: topics.stored("warehouse") == before + after, pause=0.2)


def _created(create: Callable[[], None]) -> bool:
    try:
        create()
    except Exception:  # noqa: BLE001 (Kafka is still deleting it)
        return False
    return True


@pytest.mark.parametrize("sink", SINKS)
def test_nothing_is_emptied_on_an_unmigrated_schema(topics: IsolatedTopics, database: Connection, sink: str) -> None:
    before = ids(3)
    topics.publish("posts", [row_change(topics.stream("posts"), n, image={"id": str(uuid.uuid4())}) for n in before])
    with topics.running(sink):
        wait_for(lambda: topics.stored(sink, "posts") == before, pause=0.2)
    database.execute("ALTER TABLE posts RENAME COLUMN likes_count TO likes_before_a_migration")
    try:
        with pytest.raises(engine.SnapshotRefusedError, match=r"Nothing was changed.*posts: .*likes_count.*Migrate it"):
            engine.rebuild(topics.settings, sink, streams=topics.streams, snapshot=True)
    finally:
        database.execute("ALTER TABLE posts RENAME COLUMN likes_before_a_migration TO likes_count")
    assert topics.stored(sink, "posts") == before
    assert unfinished_rebuilds(topics.settings) == set()


def test_the_command_confirms_and_publishes_a_snapshot(
    fresh: Settings, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild_cli, "get_settings", lambda: fresh)
    app, run = command(), CliRunner().invoke
    taught = run(app, ["--help"]).output
    assert "neighborconnect rebuild warehouse --yes" in taught
    assert "--snapshot" in taught
    assert run(app, ["warehouse"], input="n\n").exit_code == 1
    people = {str(add_user(database)) for _ in range(5)}
    topics = IsolatedTopics(fresh, "posts")
    topics.close()
    topics.streams = STREAMS
    with running_relay(fresh), topics.running("warehouse"):
        answer = run(app, ["warehouse", "--yes", "--snapshot"])
    assert answer.exit_code == 0, answer.output
    assert "The warehouse is rebuilt." in answer.output
    everybody = {str(row["id"]) for row in database.execute("SELECT id FROM users").fetchall()}
    assert people <= everybody <= topics.column("warehouse", "users", "id")
