"""``python -m transactional_api``: ``API_WORKERS`` processes that share the address of ``API_LISTEN``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from neighborconnect.settings import get_settings, listen_address
from neighborconnect.telemetry import configure_logging
from transactional_api.community.chat.frames import MAX_FRAME_BYTES
from transactional_api.core.http.health import METRICS_FOLDER

WORKER_STARTUP_SECONDS = 60
"""Time in which a worker must answer its supervisor, also while it imports on a busy machine."""


@contextmanager
def metrics_of_workers(workers: int) -> Iterator[None]:
    """Give several workers a folder for their metrics, so that any of them can return the sum; one needs none."""
    if workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="neighborconnect-api-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        yield


def main() -> None:
    """Serve until SIGTERM; requests that are under way get four seconds to end.

    With several workers this process serves nothing itself: it starts them, replaces one that ends and stops them.
    """
    settings = get_settings()
    configure_logging("api", level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format)
    host, port = listen_address(settings.api_listen)
    with metrics_of_workers(settings.api_workers):
        uvicorn.run(
            "transactional_api.app:create_worker",
            factory=True,
            workers=settings.api_workers,
            host=host,
            port=port,
            loop="uvloop",
            http="httptools",
            ws_max_size=MAX_FRAME_BYTES,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # ``callers`` reads them, of TRUSTED_PROXIES only.
            timeout_graceful_shutdown=4,
            timeout_worker_healthcheck=WORKER_STARTUP_SECONDS,
        )


if __name__ == "__main__":
    main()
