"""How every model service runs: one process a service, and what is served kept up to date."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

import uvicorn
from bentoml.serving import ensure_prometheus_dir
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from neighborconnect.memory import collect_rarely
from neighborconnect.service_auth import RequireCredentials
from neighborconnect.settings import get_settings, home, listen_address
from neighborconnect.telemetry import configure_logging, get_logger

HOW_SERVED: dict[str, Any] = {
    "workers": 1,
    "metrics": {"enabled": True, "namespace": "bentoml_service"},
    "logging": {"access": {"enabled": False}},
    # BentoML records a span of every request, be there who collects them or not: 0.7 of 6.5 ms for a short one.
    "tracing": {"excluded_urls": ".*"},
}
"""Of every ``bentoml.service``; a file named in ``BENTOML_CONFIG`` overrides it, as where traces are collected."""
POLL_SECONDS = 15.0
_FIRST_POLL_SECONDS = 1.0
_GRACE_SECONDS = 4
_JSON = "application/json"
_PROBES = ("/livez", "/readyz", "/healthz")

_log = get_logger(__name__)


def serve(service: str, *, name: str, listen: str) -> None:
    """Serve until SIGTERM. Uvicorn runs BentoML's application itself: its supervisor would be a second process.

    Args:
        service: where the service is, as ``package.module:Class``. It is imported here and not by the caller, for
            BentoML's metrics must know their folder before anything makes one.
        name: of the process, in logs.
        listen: the setting that holds the address to listen on.
    """
    # BentoML's own supervisor would have named one folder for all clones and services.
    folder = home() / "run" / "bento-metrics" / name
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = ensure_prometheus_dir(directory=str(folder))
    settings = get_settings()
    configure_logging(name, level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format)
    module, _, attribute = service.partition(":")
    application = getattr(importlib.import_module(module), attribute).to_asgi()
    host, port = listen_address(getattr(settings, listen))
    collect_rarely()
    uvicorn.run(
        RequireCredentials(only_json(application), tokens=[settings.platform_token], open_paths=_PROBES),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def only_json(application: ASGIApp) -> ASGIApp:
    """Return the application, but that it answers 415 to a body that calls itself anything else than JSON.

    BentoML answers 500 to a form without a boundary.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        kind = Headers(scope=scope).get("content-type", _JSON) if scope["type"] == "http" else _JSON
        if kind.partition(";")[0].strip().lower() == _JSON:
            await application(scope, receive, send)
        else:
            refused = JSONResponse({"error": f"The body has to be {_JSON}"}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
            await refused(scope, receive, send)

    return answer


class KeptFresh:
    """Looks for newer champions for as long as the service runs, on a thread of its own at each look."""

    def __init__(self, refresh: Callable[[], object], *, has_looked: Callable[[], bool]) -> None:
        """Nothing runs before ``start``.

        Args:
            refresh: loads what is newer.
            has_looked: whether the registry has answered once; until then it is asked more often.
        """
        self._refresh = refresh
        self._has_looked = has_looked
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, from a coroutine of the service's event loop."""
        self._task = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _look(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._refresh)
            except Exception:  # noqa: BLE001
                # The loop must outlive whatever a refresh meets: a stopped loop serves an old model for ever.
                _log.exception("serving.refresh_failed")
            await asyncio.sleep(POLL_SECONDS if self._has_looked() else _FIRST_POLL_SECONDS)
