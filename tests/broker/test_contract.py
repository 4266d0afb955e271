"""Broker contract of the platform, which Kafka and Tansu fulfill, except ``TANSU_LACKS`` for Tansu."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from tests.broker.conftest import Broker

TANSU_LACKS = {
    "end offset": "is the last batch's first offset plus one, so lag and seek_to_end err after batches",
    "offset for a time": "is always the start of the partition",
    "delete_records": "is not served: retention and compaction are not enforced",
}


def _take(consumer: KafkaConsumer, count: int) -> list[ConsumerRecord]:
    return list(itertools.islice(consumer, count))


def _send(broker: Broker, topic: str, values: list[bytes], *, key: bytes | None = None) -> None:
    producer = broker.producer()
    for value in values:
        producer.send(topic, value, key=key)
    producer.flush(timeout=30)
    producer.close()


def test_a_message_comes_back_with_its_key_headers_and_time(broker: Broker) -> None:
    topic = broker.topic()
    producer = broker.producer()
    headers = [("traceparent", b"00-aa-bb-01"), ("event-id", b"7")]
    producer.send(topic, b'{"op":"c"}', key=b'{"id":"1"}', headers=headers, timestamp_ms=1_700_000_000_000).get(30)
    producer.close()
    consumer = broker.consumer(topic)
    (message,) = _take(consumer, 1)
    consumer.close()
    assert (message.key, message.value, message.offset) == (b'{"id":"1"}', b'{"op":"c"}', 0)
    assert list(message.headers) == headers
    assert message.timestamp == 1_700_000_000_000


def test_messages_of_a_key_stay_in_one_partition_and_in_order(broker: Broker) -> None:
    topic = broker.topic(partitions=3)
    producer = broker.producer()
    for number in range(300):
        producer.send(topic, str(number).encode(), key=f"row-{number % 7}".encode())
    producer.flush(timeout=30)
    producer.close()
    consumer = broker.consumer(topic)
    seen: dict[bytes, list[int]] = defaultdict(list)
    places: dict[bytes, set[int]] = defaultdict(set)
    for message in _take(consumer, 300):
        seen[message.key].append(int(message.value))
        places[message.key].add(message.partition)
    consumer.close()
    assert len(seen) == 7
    assert all(numbers == sorted(numbers) for numbers in seen.values())
    assert all(len(partitions) == 1 for partitions in places.values())


def test_idempotent_producer_writes_once_and_in_order(broker: Broker) -> None:
    topic = broker.topic()
    producer = broker.producer(enable_idempotence=True, linger_ms=2)
    sent = [producer.send(topic, str(number).encode()) for number in range(500)]
    offsets = [future.get(30).offset for future in sent]
    producer.close()
    consumer = broker.consumer(topic)
    values = [int(message.value) for message in _take(consumer, 500)]
    consumer.close()
    assert offsets == list(range(500))
    assert values == list(range(500))


def test_a_group_goes_on_where_it_committed(broker: Broker) -> None:
    topic, group = broker.topic(), uuid4().hex
    _send(broker, topic, [str(number).encode() for number in range(10)])
    first = broker.consumer(topic, group_id=group)
    assert [message.value for message in _take(first, 4)] == [b"0", b"1", b"2", b"3"]
    first.commit({TopicPartition(topic, 0): OffsetAndMetadata(4, "", -1)})
    first.close()
    second = broker.consumer(topic, group_id=group)
    rest = [message.value for message in _take(second, 6)]
    second.close()
    assert rest == [str(number).encode() for number in range(4, 10)]


def test_the_members_of_a_group_share_the_partitions(broker: Broker) -> None:
    topic, group = broker.topic(partitions=2), uuid4().hex
    shares: list[list[TopicPartition]] = [[], []]
    shared = threading.Event()

    def take_part(number: int) -> None:
        member = broker.consumer(topic, group_id=group)
        # A rebalance is over once both know of it; until then the first may still hold both.
        while not shared.is_set():
            member.poll(timeout_ms=100)
            shares[number] = list(member.assignment())
            if [len(share) for share in shares] == [1, 1]:
                shared.set()
        member.close()

    # At the same time, as members are: one that waits for another's turn is late for what both have to do.
    with ThreadPoolExecutor(2) as members:
        taking_part = [members.submit(take_part, number) for number in range(2)]
        shared.wait(30)
        shared.set()
        for one in taking_part:
            one.result()
    assert sorted(itertools.chain(*shares)) == [TopicPartition(topic, 0), TopicPartition(topic, 1)]


def test_acknowledged_messages_and_commits_survive_sigkill(broker: Broker) -> None:
    topic, group = broker.topic(), uuid4().hex
    _send(broker, topic, [str(number).encode() for number in range(200)])
    before = broker.consumer(topic, group_id=group)
    _take(before, 50)
    before.commit({TopicPartition(topic, 0): OffsetAndMetadata(50, "", -1)})
    before.close()

    broker.kill()

    after = broker.consumer(topic, group_id=group)
    values = [int(message.value) for message in _take(after, 150)]
    after.close()
    assert values == list(range(50, 200))


def test_end_offset_of_a_batch(broker: Broker) -> None:
    topic = broker.topic()
    producer = broker.producer(linger_ms=500)
    for _ in range(5):
        producer.send(topic, b"in one batch")
    producer.flush(timeout=30)
    producer.close()
    consumer = broker.consumer()
    partition = TopicPartition(topic, 0)
    end = consumer.end_offsets([partition])[partition]
    consumer.close()
    assert end == (1 if broker.name == "tansu" else 5), TANSU_LACKS["end offset"]


def test_offset_for_a_time(broker: Broker) -> None:
    topic = broker.topic()
    producer = broker.producer()
    for second in range(3):
        producer.send(topic, b"at a time", timestamp_ms=1_700_000_000_000 + 1_000 * second).get(30)
    producer.close()
    consumer = broker.consumer()
    partition = TopicPartition(topic, 0)
    found = consumer.offsets_for_times({partition: 1_700_000_002_000})[partition]
    consumer.close()
    assert found is not None
    assert found.offset == (0 if broker.name == "tansu" else 2), TANSU_LACKS["offset for a time"]


def test_delete_records(broker: Broker) -> None:
    topic = broker.topic()
    _send(broker, topic, [b"old", b"old", b"new"])
    partition = TopicPartition(topic, 0)
    admin = KafkaAdminClient(**broker.options, request_timeout_ms=3_000)
    try:
        admin.delete_records({partition: 2}, timeout_ms=3_000)
        is_served = True
    except (KafkaError, OSError):
        is_served = False
    finally:
        admin.close()
    assert is_served == (broker.name != "tansu"), TANSU_LACKS["delete_records"]
    if is_served:
        consumer = broker.consumer(topic)
        (message,) = _take(consumer, 1)
        consumer.close()
        assert message.value == b"new"
