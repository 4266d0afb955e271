"""A connection to the product's database, where rows are committed for real."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from neighborconnect.settings import Settings
from tests.transactional_api.cdc.rows import Connection, Topic, connect, raise_event_ids


@pytest.fixture(scope="session")
def captured(settings: Settings) -> Settings:
    """The settings of a database whose events have ids of their own on the topics that tests share."""
    raise_event_ids(settings)
    return settings


@pytest.fixture
def database(captured: Settings) -> Iterator[Connection]:
    with connect(captured) as connection:
        yield connection


@pytest.fixture
def topic(captured: Settings) -> Iterator[Callable[[str], Topic]]:
    opened: list[Topic] = []

    def open_topic(name: str) -> Topic:
        opened.append(Topic(captured, name))
        return opened[-1]

    yield open_topic
    for each in opened:
        each.close()
