"""``python -m pipelines.stream``: consume Kafka until SIGTERM."""

from __future__ import annotations

import signal
import threading

from neighborconnect.memory import tune_gc
from neighborconnect.settings import get_settings
from neighborconnect.telemetry import configure_logging
from neighborconnect.tracing.instrumentation import Library
from neighborconnect.tracing.provider import configure_tracing
from pipelines.stream.worker import NAME, StreamWorker


def main() -> None:
    """Run the worker."""
    settings = get_settings()
    configure_logging(NAME, level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format)
    configure_tracing(NAME, settings, libraries=[Library.PSYCOPG, Library.REDIS])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker = StreamWorker(settings, stop=stop)
    tune_gc()
    worker.run()


if __name__ == "__main__":
    main()
