"""Redaction of spans before they leave the process: an allowlist of attributes, and no text of exceptions.

Instrumentation packages record what they see: URLs with ids and queries, messages of exceptions with values of rows.
Every attribute that is not named here is dropped, so that a new version of a package cannot export personal data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status
from opentelemetry.util.types import AttributeValue

QUERY_TEXT: Final = "db.query.text"
ALLOWED: Final = frozenset(
    {
        "error.type",
        # HTTP: the template of the path, never the path, the query or a header.
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "network.protocol.version",
        "server.address",
        "server.port",
        # Stores: statements with placeholders.
        "db.namespace",
        "db.redis.pipeline_length",
        "db.system.name",
        QUERY_TEXT,
        # Kafka.
        "messaging.batch.message_count",
        "messaging.consumer.group.name",
        "messaging.destination.name",
        "messaging.destination.partition.id",
        "messaging.kafka.offset",
        "messaging.operation.type",
        "messaging.system",
        # The platform's own.
        "neighborconnect.feature_view",
        "neighborconnect.job.lane",
        "neighborconnect.rows",
    }
)
"""Attributes that are exported. Add one only if no value of it can be about a person."""
_EXCEPTION_TYPE: Final = "exception.type"
_PLACEHOLDERS: Final = re.compile(r"\?(?: \?){2,}")
# A literal may lack its end: attributes are cut at the limit of the provider before they are redacted.
_LITERAL: Final = re.compile(r"'(?:[^']|'')*(?:'|\Z)|\$(\w*)\$.*?(?:\$\1\$|\Z)|\b\d+(?:\.\d+)?\b", re.DOTALL)
_MAX_QUERY_CHARACTERS: Final = 1_000
_MAX_NAME_CHARACTERS: Final = 120


def without_literals(statement: str) -> str:
    """Return an SQL statement with ``?`` for every text and number; named placeholders stay, a row of ``?`` is one."""
    return _PLACEHOLDERS.sub("? …", _LITERAL.sub("?", statement))


class RedactingExporter(SpanExporter):
    """Passes spans on to another exporter, without what may be personal."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the redacted spans."""
        return self._exporter.export([_redacted(span) for span in spans])

    def shutdown(self) -> None:
        """Shut the other exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the other exporter."""
        return self._exporter.force_flush(timeout_millis)


def _redacted(span: ReadableSpan) -> ReadableSpan:
    attributes = _allowed(span.attributes or {})
    name = span.name
    if isinstance(statement := attributes.get(QUERY_TEXT), str):
        attributes[QUERY_TEXT] = without_literals(statement)[:_MAX_QUERY_CHARACTERS]
        # The instrumentor of psycopg names statements in bytes after their database.
        if name == attributes.get("db.namespace"):
            name = statement.split(maxsplit=1)[0] if statement.strip() else name
    return ReadableSpan(
        name=name[:_MAX_NAME_CHARACTERS],
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=[_redacted_event(event) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _allowed(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    return {name: value for name, value in attributes.items() if name in ALLOWED}


def _redacted_event(event: Event) -> Event:
    kind = (event.attributes or {}).get(_EXCEPTION_TYPE)
    return Event(event.name, {} if kind is None else {_EXCEPTION_TYPE: kind}, event.timestamp)
