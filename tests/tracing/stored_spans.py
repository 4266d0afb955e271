"""Spans of a trace, once the processes have stored them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from neighborconnect.tracing.local_store import read_spans
from neighborconnect.tracing.stored_traces import StoredSpan

PATIENCE_SECONDS = 120.0


def wait_for_spans(folder: Path, trace_id: str, *, last: set[tuple[str, str]]) -> list[StoredSpan]:
    """Return the spans of a trace as soon as those of ``last``, by process and name, are among them."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        spans = [span for span in read_spans(folder) if span.trace_id == trace_id]
        if last <= {(span.service, span.name) for span in spans}:
            return spans
        assert time.monotonic() < deadline, [(span.service, span.name) for span in spans]
        time.sleep(0.2)


def children(spans: Sequence[StoredSpan], parent: StoredSpan) -> list[StoredSpan]:
    """Return the spans whose parent is ``parent``."""
    return [span for span in spans if span.parent_id == parent.span_id]


def only(spans: Sequence[StoredSpan], service: str, name: str) -> StoredSpan:
    """Return the one span of a process with a name."""
    (span,) = [span for span in spans if (span.service, span.name) == (service, name)]
    return span
