"""Errors of the local stack."""

from __future__ import annotations


class StackError(RuntimeError):
    """A problem that the user has to solve; the message is one sentence with the remedy."""


class NotReadyError(RuntimeError):
    """A service responds that it is not ready; a later probe may succeed."""


class NoResponseError(NotReadyError):
    """A service does not respond: the probe timed out or its connection was refused."""
