"""Structured logs and W3C trace context, the same in every process."""

from __future__ import annotations

import logging
import re
import secrets
import sys
from contextvars import ContextVar
from typing import Any

import structlog

TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")
_SECRET_KEYS = re.compile(r"(password|secret|token|authorization|cookie)", re.IGNORECASE)
# Addresses, phone numbers with their country's code, and JSON web tokens.
_PERSONAL = re.compile(
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|\+\d[\d ()-]{6,18}\d|\beyJ[\w-]+\.[\w-]+\.[\w-]*"
)

current_traceparent: ContextVar[str | None] = ContextVar("current_traceparent", default=None)


def new_traceparent(parent: str | None = None) -> str:
    """Start a span: keep the trace id of ``parent`` where it is valid, else begin a new trace."""
    trace_id = parent.split("-")[1] if parent and TRACEPARENT.match(parent) else secrets.token_hex(16)
    return f"00-{trace_id}-{secrets.token_hex(8)}-01"


def _mask_secrets(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: "***" if _SECRET_KEYS.search(key) else value for key, value in event.items()}


def mask_personal(value: Any) -> Any:
    """Return a value of a log line without addresses, phone numbers and tokens, wherever in it they are."""
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
    if traceparent := current_traceparent.get():
        event["trace_id"] = traceparent.split("-")[1]
    return event


def configure_logging(service: str, *, level: str = "INFO", log_format: str = "json") -> None:
    """Send structlog's and the standard library's records to stdout as one line each.

    Args:
        service: name of the process, on every line.
        level: least level that is written.
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
        # What is below the level costs nothing, not even putting its line together.
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
    for chatty in ("kafka", "httpx", "botocore", "urllib3", "alembic.runtime"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.contextvars.bind_contextvars(service=service)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a module."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger
