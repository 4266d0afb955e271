"""Where the town lies: its neighbourhoods in a spiral around the middle, and points in them."""

from __future__ import annotations

import h3
import numpy as np

from neighborconnect.contracts.places import HOME_CELL_RESOLUTION
from simulator.arrays import Floats, Ints

TOWN_WIDE = -1
"""The neighbourhood of what belongs to no single one."""
MIDDLE = (44.3, -122.9)
_METRES_A_DEGREE = 111_195.0
_BETWEEN, _ACROSS, _TURN = 900.0, 350.0, np.pi * (3 - np.sqrt(5))
_DIGITS = 6


def points(rng: np.random.Generator, neighbourhood: Ints) -> Floats:
    """Draw a point in each neighbourhood; what is ``TOWN_WIDE`` lies around the town's middle.

    Returns:
        (n, 2) latitudes and longitudes in degrees.
    """
    angle, away = neighbourhood * _TURN, _BETWEEN * np.sqrt(np.maximum(neighbourhood, 0))
    metres = away[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1) + rng.normal(
        0.0, _ACROSS, (len(neighbourhood), 2)
    )
    scale = _METRES_A_DEGREE * np.array([1.0, np.cos(np.radians(MIDDLE[0]))])
    result: Floats = np.round(np.array(MIDDLE) + metres / scale, _DIGITS)
    return result


def cells(houses: Floats) -> list[str | None]:
    """Return the cell of each house, which is what others may know of it; None where there is none (NaN)."""
    return [
        None if np.isnan(latitude) else h3.latlng_to_cell(latitude, longitude, HOME_CELL_RESOLUTION)
        for latitude, longitude in houses.tolist()
    ]
