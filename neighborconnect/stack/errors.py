"""Errors of the stack."""

from __future__ import annotations


class StackError(RuntimeError):
    """Something that the person at the keyboard has to change; the message is one sentence that says what."""


class NotReadyError(RuntimeError):
    """A server does not do its work yet; asking again later may help."""


class NoAnswerError(NotReadyError):
    """A server gave no answer at all, by a timeout or a refused connection; not even one that it is not ready."""
