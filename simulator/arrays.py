"""Array types and the few vectorised helpers that the town is drawn with."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

_HEX_PAIRS = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), dtype=np.uint8).reshape(256, 2)
_UUID_LENGTH, _DASHES = 36, (8, 13, 18, 23)
_HEX_PLACES = np.array([place for place in range(_UUID_LENGTH) if place not in _DASHES])


def uuids(rng: np.random.Generator, count: int) -> NDArray[np.bytes_]:
    """Draw ``count`` random (version 4) UUIDs as 36-byte ASCII strings."""
    octets = np.frombuffer(rng.bytes(16 * count), dtype=np.uint8).reshape(count, 16).copy()
    octets[:, 6] = (octets[:, 6] & 0x0F) | 0x40
    octets[:, 8] = (octets[:, 8] & 0x3F) | 0x80
    text = np.full((count, _UUID_LENGTH), ord("-"), dtype=np.uint8)
    text[:, _HEX_PLACES] = _HEX_PAIRS[octets].reshape(count, 32)
    return text.view("S36").reshape(count)


def sigmoid(values: Floats) -> Floats:
    """Return the logistic function of each value."""
    result: Floats = 1.0 / (1.0 + np.exp(-values))
    return result


def draw_weighted(rng: np.random.Generator, weights: Floats, count: int) -> Ints:
    """Draw ``count`` indexes with replacement, each in proportion to its weight."""
    cumulative = np.cumsum(weights)
    places = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    result: Ints = np.minimum(places, len(weights) - 1).astype(np.int64)
    return result


def contains(known: Ints, wanted: Ints) -> Bools:
    """Say of each wanted number whether it is among the known ones, which are sorted."""
    if not len(known):
        return np.zeros(len(wanted), dtype=bool)
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    result: Bools = known[place] == wanted
    return result


class Groups:
    """Members of numbered groups, so that one member of each of many groups is drawn at once."""

    def __init__(self, group: Ints, member: Ints, *, groups: int) -> None:
        order = np.argsort(group, kind="stable")
        self.members: Ints = member[order]
        self.bounds: Ints = np.searchsorted(group[order], np.arange(groups + 1)).astype(np.int64)

    def sizes(self) -> Ints:
        """Return the number of members of each group."""
        return np.diff(self.bounds)

    def draw(self, rng: np.random.Generator, wanted: Ints) -> Ints:
        """Draw one member of each wanted group; -1 where the group is empty."""
        if not len(self.members):
            return np.full(len(wanted), -1, dtype=np.int64)
        first, size = self.bounds[wanted], self.bounds[wanted + 1] - self.bounds[wanted]
        place = first + (rng.random(len(wanted)) * size).astype(np.int64)
        return np.where(size > 0, self.members[np.minimum(place, len(self.members) - 1)], -1)
