"""Errors of queries, in one sentence."""

from __future__ import annotations


class QueryError(RuntimeError):
    """A query or its output cannot be served; the message contains the reason and, where there is one, the remedy."""
