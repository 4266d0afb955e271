"""Process of a model service: options, HTTP server and metrics, the same for every service."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

import uvicorn
from bentoml.exceptions import BadInput, ServiceUnavailable
from bentoml.serving import ensure_prometheus_dir
from prometheus_client import Counter
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentos.workers import RejectedFileError
from neighborconnect.memory import tune_gc
from neighborconnect.service_auth import RequireCredentials
from neighborconnect.settings import get_settings, home, listen_address
from neighborconnect.telemetry import configure_logging
from neighborconnect.tracing.instrumentation import Library
from neighborconnect.tracing.provider import configure_tracing, end_request, start_request

SERVICE_OPTIONS: dict[str, Any] = {
    "workers": 1,
    "metrics": {"enabled": True, "namespace": "bentoml_service"},
    "logging": {"access": {"enabled": False}},
    # ``traced`` records requests. BentoML would record every one, even without a collector, which takes 0.7 of 6.5 ms.
    "tracing": {"excluded_urls": ".*"},
}
"""Options of every ``bentoml.service``; the file of ``BENTOML_CONFIG`` overrides them, for example for tracing."""
_GRACE_SECONDS = 4
_JSON = "application/json"
_PROBES = ("/livez", "/readyz", "/healthz")


def serve(service: str, *, name: str, listen: str) -> None:
    """Serve until SIGTERM, in this process: BentoML's own supervisor would be a second one.

    Args:
        service: import path as ``package.module:Class``. It is imported here and not by the caller, because BentoML's
            metrics need their directory before the first metric is created.
        name: name of the process in logs.
        listen: setting with the address to listen on.
    """
    # BentoML's supervisor uses one directory for all services of the machine.
    folder = home() / "run" / "bento-metrics" / name
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = ensure_prometheus_dir(directory=str(folder))
    settings = get_settings()
    configure_logging(name, level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format)
    module, _, attribute = service.partition(":")
    configure_tracing(name, settings, libraries=Library)
    bento = getattr(importlib.import_module(module), attribute)
    application = traced(only_json(bento.to_asgi()), routes={method.route for method in bento.apis.values()})
    host, port = listen_address(getattr(settings, listen))
    tune_gc()
    uvicorn.run(
        RequireCredentials(application, tokens=[settings.platform_token], open_paths=_PROBES),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def only_json(application: ASGIApp) -> ASGIApp:
    """Wrap an application to respond with 415 to bodies whose content type is not JSON.

    BentoML responds with 500 to a multipart form without a boundary.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        kind = Headers(scope=scope).get("content-type", _JSON) if scope["type"] == "http" else _JSON
        if kind.partition(";")[0].strip().lower() == _JSON:
            await application(scope, receive, send)
        else:
            response = JSONResponse({"error": f"The body must be {_JSON}"}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
            await response(scope, receive, send)

    return wrapped


def traced(application: ASGIApp, *, routes: Collection[str]) -> ASGIApp:
    """Wrap an application to continue the trace of its caller with a span of each request.

    Args:
        application: the application.
        routes: paths of its predictions; spans of others have no route.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method, path = scope["method"], scope["path"]
        request = start_request(method, Headers(scope=scope).get("traceparent"), path=path)
        try:
            await application(scope, receive, send_and_note)
        finally:
            end_request(request, method=method, route=path if path in routes else None, status=status)

    return wrapped


class PredictionCounter:
    """Prometheus counter ``<service>_predictions_total`` with the labels ``task`` and ``outcome``.

    Outcomes: ``ok``; ``unavailable`` (503: no champion, or a dependency does not respond); ``rejected`` (the input
    cannot be processed); ``canceled`` (the client disconnected); ``error`` (everything else).
    """

    def __init__(self, service: str) -> None:
        """Register the counter of one service."""
        self._counter = Counter(
            f"{service}_predictions", "Predictions served, by task and outcome.", ["task", "outcome"]
        )

    @contextmanager
    def count(self, task: str) -> Iterator[None]:
        """Count one prediction by the way the block ends."""
        outcome = "error"
        try:
            yield
            outcome = "ok"
        except ServiceUnavailable:
            outcome = "unavailable"
            raise
        except (BadInput, RejectedFileError):
            outcome = "rejected"
            raise
        except (asyncio.CancelledError, GeneratorExit):
            outcome = "canceled"
            raise
        finally:
            self._counter.labels(task, outcome).inc()
