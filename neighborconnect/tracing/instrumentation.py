"""Instrumentation packages of client libraries, and the check that each of them is active.

An instrumentor that does not support the installed version of its library logs one line and does nothing, and one that
wraps a function which the library no longer calls does nothing at all. Both stop the process at its start here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import Enum
from functools import reduce
from importlib import import_module
from typing import Any

from opentelemetry.trace import TracerProvider


class InstrumentationError(RuntimeError):
    """A library is not traced although it should be; the message names it and the cause."""


class Library(Enum):
    """A client library: its instrumentor, and the functions that must be wrapped afterwards."""

    PSYCOPG = (
        "opentelemetry.instrumentation.psycopg:PsycopgInstrumentor",
        ("psycopg:Connection.connect", "psycopg:AsyncConnection.connect"),
    )
    REDIS = (
        "opentelemetry.instrumentation.redis:RedisInstrumentor",
        (
            "redis:Redis.execute_command",
            "redis.client:Pipeline.execute",
            "redis.asyncio:Redis.execute_command",
            "redis.asyncio.client:Pipeline.execute",
        ),
    )
    AIOHTTP = (
        "opentelemetry.instrumentation.aiohttp_client:AioHttpClientInstrumentor",
        ("aiohttp:ClientSession.__init__",),
    )

    def __init__(self, instrumentor: str, wrapped: tuple[str, ...]) -> None:
        self.instrumentor = instrumentor
        self.wrapped = wrapped


_active: list[Library] = []


def instrument(libraries: Iterable[Library], provider: TracerProvider) -> None:
    """Turn the calls of libraries into spans of ``provider``.

    Raises:
        InstrumentationError: a library is not instrumented afterwards.
    """
    # Stable names of attributes (``db.query.text`` instead of ``db.statement``).
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    for library in libraries:
        instrumentor = _instrumentor(library)
        instrumentor.instrument(tracer_provider=provider)
        if not instrumentor.is_instrumented_by_opentelemetry:
            conflict = instrumentor._check_dependency_conflicts()  # noqa: SLF001 (nothing else says why)
            raise InstrumentationError(
                f"Calls of {library.name.lower()} would not be traced: its instrumentor does not support the installed "
                f"version ({conflict}). Install the versions of constraints.txt, or set OTEL_TRACES_SAMPLER=always_off."
            )
        _active.append(library)
        if missing := [name for name in library.wrapped if not hasattr(_resolve(name), "__wrapped__")]:
            raise InstrumentationError(
                f"Calls of {library.name.lower()} would not be traced: its instrumentor did not wrap "
                f"{', '.join(missing)}. Install the versions of constraints.txt, or set OTEL_TRACES_SAMPLER=always_off."
            )


def remove_instrumentation() -> None:
    """Restore the libraries."""
    while _active:
        _instrumentor(_active.pop()).uninstrument()


def _instrumentor(library: Library) -> Any:
    module, _, name = library.instrumentor.partition(":")
    return getattr(import_module(module), name)()


def _resolve(name: str) -> Any:
    module, _, path = name.partition(":")
    return reduce(getattr, path.split("."), import_module(module))
