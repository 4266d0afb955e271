"""Dials: preferences of one person for the order of their recommendations."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class Dials:
    """Each is from -1 (less) to 1 (more); 0 is the published order.

    Attributes:
        near: items near the home.
        friends: items of people whom the person follows.
        discovery: items of connectors that the person does not belong to.
        recency: new items.
    """

    near: float = 0.0
    friends: float = 0.0
    discovery: float = 0.0
    recency: float = 0.0

    @property
    def is_neutral(self) -> bool:
        """Whether all are zero."""
        return not any(astuple(self))
