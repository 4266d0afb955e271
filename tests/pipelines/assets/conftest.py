"""The code location, loaded once; and an instance that keeps its events in memory."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from neighborconnect.settings import Settings


@pytest.fixture(scope="session")
def definitions(settings: Settings) -> dg.Definitions:
    # Loading needs the settings, which the fixture has just put into the environment.
    from pipelines.definitions import defs  # noqa: PLC0415

    return defs


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
