"""Headers of the records in the dead-letter topic."""

from __future__ import annotations

from typing import Final

REASON_HEADER: Final = "dlq-reason"
SINK_HEADER: Final = "dlq-sink"
ORIGIN_HEADER: Final = "dlq-origin"
"""Position of the record: ``topic:partition:offset``. With the sink, it identifies a letter."""
TRUNCATED_HEADER: Final = "dlq-truncated"
SETTLED_HEADER: Final = "dlq-settled"
"""Marks a record that settles the letter which its sink and origin identify."""
