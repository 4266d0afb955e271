"""Geography of the town: neighborhoods on a spiral around the center, and points in them."""

from __future__ import annotations

import h3
import numpy as np

from neighborconnect.contracts.places import HOME_CELL_RESOLUTION
from simulator.arrays import Floats, Ints

TOWN_WIDE = -1
"""Neighborhood number of connectors that belong to the whole town."""
CENTER = (44.3, -122.9)
_METERS_PER_DEGREE = 111_195.0
_SPACING_METERS, _SPREAD_METERS, _GOLDEN_ANGLE = 900.0, 350.0, np.pi * (3 - np.sqrt(5))
_DIGITS = 6


def points(rng: np.random.Generator, neighborhood: Ints) -> Floats:
    """Draw a point in each neighborhood; ``TOWN_WIDE`` is around the center.

    Returns:
        Latitudes and longitudes in degrees, of shape (n, 2).
    """
    angle, away = neighborhood * _GOLDEN_ANGLE, _SPACING_METERS * np.sqrt(np.maximum(neighborhood, 0))
    meters = away[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1) + rng.normal(
        0.0, _SPREAD_METERS, (len(neighborhood), 2)
    )
    scale = _METERS_PER_DEGREE * np.array([1.0, np.cos(np.radians(CENTER[0]))])
    result: Floats = np.round(np.array(CENTER) + meters / scale, _DIGITS)
    return result


def cells(home_points: Floats) -> list[str | None]:
    """Return the H3 cell of each home, the precision that others may see; None for a missing point (NaN)."""
    return [
        None if np.isnan(latitude) else h3.latlng_to_cell(latitude, longitude, HOME_CELL_RESOLUTION)
        for latitude, longitude in home_points.tolist()
    ]
