"""``python -m transactional_api``: one worker on the address of ``API_LISTEN``."""

from __future__ import annotations

import uvicorn

from neighborconnect.memory import collect_rarely
from neighborconnect.settings import get_settings, listen_address
from neighborconnect.telemetry import configure_logging
from transactional_api.app import create_app
from transactional_api.chat.frames import MAX_FRAME_BYTES


def main() -> None:
    """Serve until SIGTERM; requests that are under way get four seconds to end."""
    settings = get_settings()
    configure_logging("api", level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format)
    host, port = listen_address(settings.api_listen)
    app = create_app(settings)
    collect_rarely()
    uvicorn.run(
        app,
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
    )


if __name__ == "__main__":
    main()
