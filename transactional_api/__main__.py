"""``python -m transactional_api``: one worker on the address of ``API_URL``."""

from __future__ import annotations

from urllib.parse import urlsplit

import uvicorn

from neighborconnect.memory import collect_rarely
from neighborconnect.settings import get_settings
from neighborconnect.telemetry import configure_logging
from transactional_api.app import create_app
from transactional_api.chat.frames import MAX_FRAME_BYTES


def main() -> None:
    """Serve until SIGTERM; requests that are under way get four seconds to end."""
    settings = get_settings()
    configure_logging("api", level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format)
    address = urlsplit(settings.api_url)
    app = create_app(settings)
    collect_rarely()
    uvicorn.run(
        app,
        host=address.hostname or "127.0.0.1",
        port=address.port or 8000,
        loop="uvloop",
        http="httptools",
        ws_max_size=MAX_FRAME_BYTES,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # ``callers`` reads them, of TRUSTED_PROXIES only.
        timeout_graceful_shutdown=4,
    )


if __name__ == "__main__":
    main()
