"""Array types, and vectorized helpers for drawing a town."""

from __future__ import annotations

from dataclasses import fields
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

_HEX_PAIRS = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), dtype=np.uint8).reshape(256, 2)
_UUID_LENGTH, _DASHES = 36, (8, 13, 18, 23)
_HEX_POSITIONS = np.array([position for position in range(_UUID_LENGTH) if position not in _DASHES])


def uuids(rng: np.random.Generator, count: int) -> NDArray[np.bytes_]:
    """Draw ``count`` random (version 4) UUIDs as 36-byte ASCII strings."""
    octets = np.frombuffer(rng.bytes(16 * count), dtype=np.uint8).reshape(count, 16).copy()
    octets[:, 6] = (octets[:, 6] & 0x0F) | 0x40
    octets[:, 8] = (octets[:, 8] & 0x3F) | 0x80
    text = np.full((count, _UUID_LENGTH), ord("-"), dtype=np.uint8)
    text[:, _HEX_POSITIONS] = _HEX_PAIRS[octets].reshape(count, 32)
    return text.view("S36").reshape(count)


def sigmoid(values: Floats) -> Floats:
    """Return the logistic function of each value."""
    result: Floats = 1.0 / (1.0 + np.exp(-values))
    return result


def draw_weighted(rng: np.random.Generator, weights: Floats, count: int) -> Ints:
    """Draw ``count`` indexes with replacement, each in proportion to its weight."""
    cumulative = np.cumsum(weights)
    indexes = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    result: Ints = np.minimum(indexes, len(weights) - 1).astype(np.int64)
    return result


def contains(sorted_values: Ints, values: Ints) -> Bools:
    """Return for each value whether it is in ``sorted_values``."""
    if not len(sorted_values):
        return np.zeros(len(values), dtype=bool)
    index = np.minimum(np.searchsorted(sorted_values, values), len(sorted_values) - 1)
    result: Bools = sorted_values[index] == values
    return result


class Groups:
    """Members of numbered groups, for vectorized draws of one member per group."""

    def __init__(self, group: Ints, member: Ints, *, groups: int) -> None:
        order = np.argsort(group, kind="stable")
        self.members: Ints = member[order]
        self.bounds: Ints = np.searchsorted(group[order], np.arange(groups + 1)).astype(np.int64)

    def sizes(self) -> Ints:
        """Return the number of members of each group."""
        return np.diff(self.bounds)

    def draw(self, rng: np.random.Generator, groups: Ints) -> Ints:
        """Draw one member of each group in ``groups``; -1 for an empty group."""
        if not len(self.members):
            return np.full(len(groups), -1, dtype=np.int64)
        first, size = self.bounds[groups], self.bounds[groups + 1] - self.bounds[groups]
        index = first + (rng.random(len(groups)) * size).astype(np.int64)
        return np.where(size > 0, self.members[np.minimum(index, len(self.members) - 1)], -1)


class Columns:
    """Base of dataclasses whose fields are arrays of the same length."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))  # type: ignore[arg-type]

    def take(self, chosen: Ints | Bools | slice) -> Self:
        """Return the chosen rows."""
        return type(self)(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})  # type: ignore[arg-type]

    @classmethod
    def concatenate(cls, parts: list[Self]) -> Self:
        """Return the rows of all parts, one part after the other."""
        names = [f.name for f in fields(cls)]  # type: ignore[arg-type]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
