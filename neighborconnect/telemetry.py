"""Structured logs of every process, with the id of the current trace."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_SECRET_KEYS = re.compile(r"(password|secret|token|authorization|cookie)", re.IGNORECASE)
# E-mail addresses, phone numbers with a country code, and JSON web tokens.
_PERSONAL = re.compile(
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|\+\d[\d ()-]{6,18}\d|\beyJ[\w-]+\.[\w-]+\.[\w-]*"
)

_propagator = TraceContextTextMapPropagator()


def current_traceparent() -> str | None:
    """Return the W3C ``traceparent`` of the current span; None outside of a trace."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


def _mask_secrets(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: "***" if _SECRET_KEYS.search(key) else value for key, value in event.items()}


def mask_personal(value: Any) -> Any:
    """Return a log value with every e-mail address, phone number and token in it replaced by ``***``, at any depth."""
    if isinstance(value, str):
        return _PERSONAL.sub("***", value)
    if isinstance(value, dict):
        return {key: mask_personal(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [mask_personal(inner) for inner in value]
    return value


def _mask_personal(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: mask_personal(value) for key, value in event.items()}


def _add_trace(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = trace.format_trace_id(span.trace_id)
    return event


def configure_logging(service: str, *, level: str = "INFO", log_format: str = "json") -> None:
    """Write the records of structlog and the standard library to stdout, one line each.

    Args:
        service: name of the process, added to every line.
        level: minimum level of the lines that are written.
        log_format: ``json`` or ``console``.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        _mask_secrets,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if log_format == "console" else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        # Calls below the level return at once, before any processor runs.
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _mask_personal,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for verbose in ("kafka", "httpx", "botocore", "urllib3", "alembic.runtime"):
        logging.getLogger(verbose).setLevel(max(logging.WARNING, root.level))
    structlog.contextvars.bind_contextvars(service=service)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger named after a module."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger
