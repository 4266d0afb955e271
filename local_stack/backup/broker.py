"""Broker's part of a backup: its data folder while it is stopped, and its end offsets."""

from __future__ import annotations

import os
import tarfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from local_stack.backup.stored_files import StoredFile, open_stored, store
from local_stack.errors import StackError
from local_stack.ports import HOST
from local_stack.servers.kafka_client import CHECK_TOPIC, admin_options
from local_stack.servers.tansu import BUCKET as TANSU_BUCKET
from local_stack.stack import BROKER_FILE_NAME, Stack

KAFKA, TANSU = "kafka", "tansu"
FILE = "kafka.tar"
_DATA = ("kafka", "data")


def broker_kind(stack: Stack) -> str:
    """Return which broker the home uses."""
    path = stack.home / BROKER_FILE_NAME
    return path.read_text(encoding="utf-8").strip() if path.exists() else KAFKA


def buckets_of(kind: str) -> tuple[str, ...]:
    """Return the buckets in which the broker stores its log."""
    return (TANSU_BUCKET,) if kind == TANSU else ()


def end_offsets(stack: Stack) -> dict[str, int]:
    """Return the end offset of each partition as ``topic:partition``, without the topic of health checks.

    Raises:
        StackError: the broker does not answer.
    """
    options = (
        admin_options(stack) if broker_kind(stack) == KAFKA else {"bootstrap_servers": f"{HOST}:{stack.ports.kafka}"}
    )
    try:
        consumer = KafkaConsumer(**options, enable_auto_commit=False)
        try:
            topics = sorted(name for name in consumer.topics() if name != CHECK_TOPIC and not name.startswith("__"))
            found = [TopicPartition(topic, each) for topic in topics for each in consumer.partitions_for_topic(topic)]
            ends = consumer.end_offsets(found)
        finally:
            consumer.close()
    except (KafkaError, OSError) as error:
        raise StackError(f"The broker does not return its offsets: {type(error).__name__}: {error}") from None
    return {f"{partition.topic}:{partition.partition}": end for partition, end in sorted(ends.items())}


def store_log(stack: Stack, folder: Path, *, recipients: Sequence[Any]) -> list[StoredFile]:
    """Store the data folder of a stopped Kafka broker as a tar file; Tansu's log is in a bucket.

    Raises:
        OSError: the folder cannot be read, or the file cannot be written.
    """
    if broker_kind(stack) != KAFKA:
        return []
    data = stack.home.joinpath(*_DATA)
    reader, writer = os.pipe()
    errors: list[OSError] = []

    def feed() -> None:
        try:
            with os.fdopen(writer, "wb") as pipe, tarfile.open(fileobj=pipe, mode="w|") as tar:
                tar.add(data, arcname=".")
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    with os.fdopen(reader, "rb") as source:
        stored = store(folder / FILE, source, recipients=recipients)
    thread.join()
    if errors:
        raise errors[0]
    return [stored]


def restore_log(stack: Stack, path: Path, *, identities: Sequence[Any]) -> None:
    """Write the data folder of the broker."""
    data = stack.home.joinpath(*_DATA)
    data.parent.mkdir(mode=0o700)
    data.mkdir(mode=0o700)
    with open_stored(path, identities=identities) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        tar.extractall(data, filter="data")
