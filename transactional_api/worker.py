"""``python -m transactional_api.worker``: run background jobs until SIGTERM."""

from __future__ import annotations

import asyncio

from neighborconnect.settings import get_settings
from neighborconnect.telemetry import configure_logging
from neighborconnect.tracing.instrumentation import Library
from neighborconnect.tracing.provider import configure_tracing
from transactional_api import slices  # noqa: F401 (registers every job)
from transactional_api.core.jobs.worker import NAME, run


def main() -> None:
    """Work on the queue of the settings' database."""
    settings = get_settings()
    configure_logging(NAME, level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format)
    configure_tracing(NAME, settings, libraries=Library)
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
