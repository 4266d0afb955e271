"""``python -m pipelines.monitoring``: serve the metrics of workers, stores and pipelines on ``MONITORING_LISTEN``."""

from __future__ import annotations

import uvicorn

from neighborconnect.memory import tune_gc
from neighborconnect.service_auth import RequireCredentials
from neighborconnect.settings import get_settings, listen_address
from neighborconnect.telemetry import configure_logging
from pipelines.monitoring.application import HEALTH_PATH, Application
from pipelines.monitoring.collectors import collectors
from pipelines.monitoring.exporter import Exporter

_GRACE_SECONDS = 4


def main() -> None:
    """Serve until SIGTERM."""
    settings = get_settings()
    configure_logging(
        "monitoring", level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format
    )
    host, port = listen_address(settings.monitoring_listen)
    application = Application(Exporter(collectors(settings)))
    tune_gc()
    uvicorn.run(
        RequireCredentials(application, tokens=[settings.platform_token], open_paths=[HEALTH_PATH]),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


if __name__ == "__main__":
    main()
