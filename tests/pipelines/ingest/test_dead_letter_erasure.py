"""Erasure in the topic of dead letters: the letters of others keep their identity, time and settlement."""

from __future__ import annotations

import time
import uuid

from neighborconnect.settings import Settings
from pipelines.ingest.dead_letter_erasure import erase_letters
from pipelines.ingest.dead_letters import (
    DeadLetter,
    DeadLetterWriter,
    discard,
    discarded_letters,
    open_consumer,
    pending_letters,
    read_from,
)
from pipelines.ingest.decode import InvalidRecord
from tests.pipelines.ingest.events import interaction


def test_dead_letters_of_an_erased_user_leave_the_topic(fresh: Settings) -> None:
    servers, gone, stays = fresh.kafka_bootstrap_servers, str(uuid.uuid4()), str(uuid.uuid4())

    def of(user: str) -> list[DeadLetter]:
        return [letter for letter in pending_letters(servers) if user.encode() in (letter.record.value or b"")]

    writer = DeadLetterWriter(servers, sink="lake")
    first = time.time_ns() // 1_000
    writer.write([InvalidRecord(interaction(first + n, user_id=user), "bad") for n, user in enumerate([gone, stays])])
    writer.write([InvalidRecord(interaction(first + n, user_id=stays, partition=2), "bad") for n in (7, 8)])
    writer.close()
    discard(servers, [of(stays)[0]], reason="known")
    before = {(letter.key, letter.time, letter.record.value) for letter in of(stays)}
    discarded = {(letter.key, reason) for letter, reason in discarded_letters(servers)}
    assert len(of(gone)) == 1

    assert erase_letters(servers, [gone, str(uuid.uuid4())]) == {gone: 1}

    assert of(gone) == []
    assert {(letter.key, letter.time, letter.record.value) for letter in of(stays)} == before
    assert {(letter.key, reason) for letter, reason in discarded_letters(servers)} == discarded
    consumer = open_consumer(servers)
    partitions = list(consumer.assignment())
    starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    values = [record.value or b"" for _, record in read_from(consumer, starts, ends=ends)]
    consumer.close()
    assert not any(gone.encode() in value for value in values)
    assert erase_letters(servers, [gone]) == {}
    assert consumer_starts(servers) == starts, "a run without letters of the users changes nothing"


def consumer_starts(servers: str) -> dict[object, int]:
    consumer = open_consumer(servers)
    starts = dict(consumer.beginning_offsets(list(consumer.assignment())))
    consumer.close()
    return starts
