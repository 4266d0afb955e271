"""``python -m bentos.recommendation``: serve on the address of ``RECOMMENDATION_URL``, one process."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

import uvicorn
from bentoml.serving import ensure_prometheus_dir

from neighborconnect.settings import get_settings, home

# BentoML's metrics live in files of a folder that its own supervisor would have named: one for all clones. The name
# must be there before anything makes a metric.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = ensure_prometheus_dir(directory=str(home() / "run" / "bento-metrics"))

from bentos.recommendation.service import RecommendationService
from neighborconnect.telemetry import configure_logging

_GRACE_SECONDS = 4


def main() -> None:
    """Serve until SIGTERM. Uvicorn runs BentoML's application itself: its supervisor would be a second process."""
    settings = get_settings()
    configure_logging(
        "bento-recommendation", level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format
    )
    address = urlsplit(settings.recommendation_url)
    # The decorator has made a service of the class; its type says otherwise.
    application = RecommendationService.to_asgi()  # type: ignore[attr-defined]
    uvicorn.run(
        application,
        host=address.hostname or "127.0.0.1",
        port=address.port or 5001,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


if __name__ == "__main__":
    main()
