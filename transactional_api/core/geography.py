"""Proximity in queries: a bounding box that uses an index, and the great-circle distance within it."""

from __future__ import annotations

import math
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StrictFloat
from sqlalchemy import ColumnElement, Double, bindparam, func, literal

from transactional_api.core.errors import InvalidRequestError

EARTH_METERS = 6_371_008.8
MAX_RADIUS_METERS = 100_000
_METERS_PER_DEGREE = EARTH_METERS * math.pi / 180


class Point(BaseModel):
    """A point in WGS 84 degrees."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    latitude: StrictFloat = Field(ge=-90, le=90, allow_inf_nan=False, examples=[40.6722])
    longitude: StrictFloat = Field(ge=-180, le=180, allow_inf_nan=False, examples=[-73.9772])


class Near(BaseModel):
    """Around a point, up to ``radius`` meters away."""

    model_config = ConfigDict(frozen=True)

    point: Point
    radius: int


SOMEWHERE = Point.model_construct(
    latitude=bindparam("near_latitude", type_=Double()),  # type: ignore[arg-type]
    longitude=bindparam("near_longitude", type_=Double()),  # type: ignore[arg-type]
)
"""Point of the bind parameters ``near_latitude`` and ``near_longitude``, for compiled statements."""


def distance(latitude: Any, longitude: Any, point: Point) -> ColumnElement[float]:
    """Return the SQL expression of the meters between two columns and ``point`` (haversine)."""
    here, there = func.radians(point.latitude), func.radians(latitude)
    half = func.power(func.sin((there - here) * 0.5), 2) + func.cos(here) * func.cos(there) * func.power(
        func.sin(func.radians(longitude - point.longitude) * 0.5), 2
    )
    return literal(2 * EARTH_METERS) * func.asin(func.sqrt(func.least(1.0, half)))


def within(latitude: Any, longitude: Any, near: Near) -> ColumnElement[bool]:
    """Whether the point of two columns is near; an index on the latitude serves the box around it."""
    tall = near.radius / _METERS_PER_DEGREE
    box: ColumnElement[bool] = latitude.between(near.point.latitude - tall, near.point.latitude + tall)
    return box & (distance(latitude, longitude, near.point) <= near.radius)


async def _near(
    latitude: Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False, examples=[40.6722])] = None,
    longitude: Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False, examples=[-73.9772])] = None,
    radius: Annotated[int, Query(ge=1, le=MAX_RADIUS_METERS, description="Metres around the point.")] = 2_000,
) -> Near | None:
    if latitude is None and longitude is None:
        return None
    if latitude is None or longitude is None:
        raise InvalidRequestError("A point needs both latitude and longitude")
    return Near(point=Point(latitude=latitude, longitude=longitude), radius=radius)


NearDep = Annotated[Near | None, Depends(_near)]
"""Requested area of a list; None for everywhere."""
