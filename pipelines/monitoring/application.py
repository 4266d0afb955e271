"""HTTP application of the exporter: ``/metrics`` for Prometheus, ``/healthz`` for probes."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from pipelines.monitoring.exporter import Exporter

HEALTH_PATH = "/healthz"
_METRICS_PATH = "/metrics"
_READ = frozenset({"GET", "HEAD"})


class Application:
    """ASGI application; authentication is the caller's."""

    def __init__(self, exporter: Exporter) -> None:
        """Serve the metrics of one exporter."""
        # Not the registry of the process: it would collect everything once more to learn the names.
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(exporter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        response: Response = PlainTextResponse("Not Found", HTTPStatus.NOT_FOUND)
        if scope["path"] in {HEALTH_PATH, _METRICS_PATH} and scope["method"] not in _READ:
            response = PlainTextResponse("Method Not Allowed", HTTPStatus.METHOD_NOT_ALLOWED)
        elif scope["path"] == HEALTH_PATH:
            response = PlainTextResponse("ok")
        elif scope["path"] == _METRICS_PATH:
            body = await asyncio.to_thread(generate_latest, self._registry)
            response = Response(body, media_type=CONTENT_TYPE_LATEST)
        await response(scope, receive, send)
