"""``python -m pipelines.ingest lake|warehouse``: feed one sink from Kafka until SIGTERM."""

from __future__ import annotations

import signal
import threading
from enum import StrEnum

import typer

from neighborconnect.settings import Settings, get_settings
from neighborconnect.telemetry import configure_logging
from neighborconnect.tracing.instrumentation import Library
from neighborconnect.tracing.provider import configure_tracing
from pipelines.ingest.erasure_confirmation import ErasureConfirmation
from pipelines.ingest.lake_sink import LakeSink
from pipelines.ingest.sinks import Sink
from pipelines.ingest.warehouse_sink import WarehouseSink
from pipelines.ingest.worker import FlushPolicy, Worker

app = typer.Typer(help="Kafka to the lake and to the warehouse.")
# A commit to an object store costs more than one to PostgreSQL, and few large files are faster to read. Committing
# several times a second used a third of a core for twenty events, and no reader needs rows within a second.
LAKE_FLUSH_POLICY = FlushPolicy(rows=50_000, seconds=5.0)
WAREHOUSE_FLUSH_POLICY = FlushPolicy(rows=20_000, seconds=2.0)


class SinkName(StrEnum):
    """Names of the sinks."""

    LAKE = "lake"
    WAREHOUSE = "warehouse"


def make_sink(name: SinkName, settings: Settings) -> tuple[Sink, FlushPolicy]:
    """Return a sink, not yet open, and its flush policy."""
    if name is SinkName.LAKE:
        return LakeSink(settings), LAKE_FLUSH_POLICY
    return WarehouseSink(settings), WAREHOUSE_FLUSH_POLICY


def run(name: SinkName) -> None:
    """Feed one sink until SIGTERM."""
    settings = get_settings()
    _configure_logging(settings, name)
    configure_tracing(f"ingest-{name.value}", settings, libraries=[Library.PSYCOPG])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sink, flush_policy = make_sink(name, settings)
    Worker(
        sink,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        confirmation=ErasureConfirmation(settings),
        flush_policy=flush_policy,
        stop=stop,
    ).run()


@app.command()
def lake() -> None:
    """Feed the lake's event tables."""
    run(SinkName.LAKE)


@app.command()
def warehouse() -> None:
    """Feed the warehouse's raw tables."""
    run(SinkName.WAREHOUSE)


def _configure_logging(settings: Settings, name: SinkName) -> None:
    configure_logging(
        f"ingest-{name.value}",
        level=settings.neighborconnect_log_level,
        log_format=settings.neighborconnect_log_format,
    )


if __name__ == "__main__":
    app()
