"""Traces of the local store: spans in the JSON form of OTLP, grouped by trace and ordered as a tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

_ERROR: Final = 2
_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """One span; times are in nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str | None
    service: str
    name: str
    kind: str
    started_ns: int
    ended_ns: int
    is_error: bool
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def milliseconds(self) -> float:
        """Duration."""
        return (self.ended_ns - self.started_ns) / 1_000_000


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """The stored spans of one trace, by start."""

    trace_id: str
    spans: tuple[StoredSpan, ...]

    @property
    def root(self) -> StoredSpan:
        """The first span without a stored parent."""
        return next((span for span, depth in self.tree() if depth == 0), self.spans[0])

    @property
    def started_at(self) -> datetime:
        """Start of the first span."""
        return datetime.fromtimestamp(self.spans[0].started_ns / 1_000_000_000, UTC)

    @property
    def milliseconds(self) -> float:
        """Time from the start of the first span to the end of the last one."""
        return (max(span.ended_ns for span in self.spans) - self.spans[0].started_ns) / 1_000_000

    @property
    def services(self) -> tuple[str, ...]:
        """Processes of the trace, in the order of their first span."""
        return tuple(dict.fromkeys(span.service for span in self.spans))

    @property
    def errors(self) -> int:
        """Number of failed spans."""
        return sum(span.is_error for span in self.spans)

    def tree(self) -> Iterator[tuple[StoredSpan, int]]:
        """Yield each span with its depth, a parent before its children. A span without a stored parent has depth 0."""
        ids = {span.span_id for span in self.spans}
        children: defaultdict[str | None, list[StoredSpan]] = defaultdict(list)
        for span in self.spans:
            children[span.parent_id if span.parent_id in ids else None].append(span)
        waiting = [(span, 0) for span in reversed(children.pop(None, []))]
        while waiting:
            span, depth = waiting.pop()
            yield span, depth
            waiting += [(child, depth + 1) for child in reversed(children.pop(span.span_id, []))]


def spans_of(batch: Mapping[str, Any]) -> Iterator[StoredSpan]:
    """Yield the spans of one OTLP batch (``TracesData``)."""
    for resource in batch.get("resourceSpans", ()):
        service = str(_attributes(resource.get("resource", {})).get("service.name", ""))
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                yield StoredSpan(
                    trace_id=span["traceId"],
                    span_id=span["spanId"],
                    parent_id=span.get("parentSpanId") or None,
                    service=service,
                    name=span["name"],
                    kind=_KINDS[int(span.get("kind", 0))],
                    started_ns=int(span["startTimeUnixNano"]),
                    ended_ns=int(span["endTimeUnixNano"]),
                    is_error=int(span.get("status", {}).get("code", 0)) == _ERROR,
                    attributes=_attributes(span),
                )


def group(spans: Iterable[StoredSpan]) -> list[StoredTrace]:
    """Return the traces of spans, the newest first."""
    by_trace: defaultdict[str, list[StoredSpan]] = defaultdict(list)
    for span in spans:
        by_trace[span.trace_id].append(span)
    traces = [
        StoredTrace(trace_id, tuple(sorted(members, key=lambda span: span.started_ns)))
        for trace_id, members in by_trace.items()
    ]
    return sorted(traces, key=lambda trace: trace.spans[0].started_ns, reverse=True)


def find(traces: Sequence[StoredTrace], trace_id: str) -> StoredTrace | None:
    """Return the trace whose id begins with ``trace_id``, in any case; None if there is none or more than one."""
    matching = [trace for trace in traces if trace.trace_id.startswith(trace_id.lower())]
    return matching[0] if len(matching) == 1 else None


def _attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {one["key"]: _value(one["value"]) for one in holder.get("attributes", ())}


def _value(value: Mapping[str, Any]) -> Any:
    # Integers of 64 bits are texts in OTLP's JSON.
    return int(value["intValue"]) if "intValue" in value else next(iter(value.values()), None)
