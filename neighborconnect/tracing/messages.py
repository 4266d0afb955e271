"""Spans of Kafka messages: one for each sampled message of a batch, in the trace of its ``traceparent``.

The instrumentation package of ``kafka-python`` does not fit: it records a message that is iterated over, and consumers
here poll batches; and the sender of a message is the transaction that wrote its outbox row, not the relay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from neighborconnect.contracts.events import TRACEPARENT_HEADER
from neighborconnect.tracing.provider import context_of, start_span, traceparent_of

MAX_SPANS: Final = 200
"""Messages of a batch that are traced; a burst of more would only overflow the queue of the exporter."""
_ODD: Final = frozenset("13579bdf")


def is_sampled(traceparent: str) -> bool:
    """Whether the sampled flag, the lowest bit of the last hexadecimal digit, is set."""
    return traceparent[-1:] in _ODD


class MessageSpans:
    """Spans of the sampled messages of a batch, all of which end together."""

    def __init__(self, operation: str, *, kind: SpanKind, **attributes: AttributeValue) -> None:
        """Start no span yet.

        Args:
            operation: ``publish`` or ``process``.
            kind: kind of the spans.
            attributes: attributes of each span, with ``__`` in the place of dots.
        """
        self._operation = operation
        self._kind = kind
        self._attributes = {name.replace("__", "."): value for name, value in attributes.items()}
        self._spans: list[Span] = []

    def __len__(self) -> int:
        """Return the number of spans that have not ended."""
        return len(self._spans)

    def start(self, traceparent: str | None, *, topic: str, **attributes: AttributeValue) -> str | None:
        """Start the span of a message, and return the ``traceparent`` that its receiver continues.

        It is the given one where the message is not sampled or this process records nothing.
        """
        if traceparent is None or not is_sampled(traceparent) or len(self._spans) >= MAX_SPANS:
            return traceparent
        named = {name.replace("__", "."): value for name, value in attributes.items()}
        span = start_span(
            f"{self._operation} {topic}",
            parent=context_of(traceparent),
            kind=self._kind,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "send" if self._kind is SpanKind.PRODUCER else "process",
                "messaging.destination.name": topic,
                **self._attributes,
                **named,
            },
        )
        if not span.is_recording():
            return traceparent
        self._spans.append(span)
        return traceparent_of(span)

    def start_received(self, records: Iterable[Any]) -> None:
        """Start the spans of received records with ``topic``, ``partition``, ``offset`` and ``headers``."""
        for record in records:
            if (traceparent := traceparent_in(record.headers)) is not None:
                self.start(
                    traceparent,
                    topic=record.topic,
                    messaging__destination__partition__id=str(record.partition),
                    messaging__kafka__offset=record.offset,
                )

    @contextmanager
    def step(self, name: str, **attributes: AttributeValue) -> Iterator[None]:
        """Record the block as a child of each span. Calls to stores in it belong to the first one.

        Args:
            name: a fixed name, without values.
            attributes: attributes by their name after ``neighborconnect.``.
        """
        named = {f"neighborconnect.{key}": value for key, value in attributes.items()}
        children = [
            start_span(name, parent=trace.set_span_in_context(span, Context()), attributes=named)
            for span in self._spans
        ]
        token = context.attach(trace.set_span_in_context(children[0], Context())) if children else None
        try:
            yield
        except BaseException:
            for child in children:
                child.set_status(StatusCode.ERROR)
            raise
        finally:
            if token is not None:
                context.detach(token)
            for child in children:
                child.end()

    def end(self, *, error: BaseException | None = None) -> None:
        """End all spans, as failed if there was an error."""
        for span in self._spans:
            if error is not None:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
            span.end()
        self._spans.clear()


def traceparent_in(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """Return the ``traceparent`` of a message; None without one. A header of Kafka may have no value."""
    for name, value in headers:
        if name == TRACEPARENT_HEADER and value is not None:
            return value.decode(errors="replace")
    return None
