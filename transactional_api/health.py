"""Liveness, readiness and metrics of the process."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from neighborconnect.service_auth import is_bearer
from transactional_api.errors import UnauthenticatedError, UnavailableError, declare

REDIS_UP = Gauge("api_redis_up", "Whether Redis answered the last readiness check.")

router = APIRouter(tags=["platform"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = Field(examples=["ok"])


class Readiness(BaseModel):
    """The process serves requests. A store that it can do without may be missing."""

    status: Literal["ok", "degraded"] = Field(examples=["ok"])
    degraded: list[str] = Field(description="The stores that do not answer.", examples=[[]])


class Landing(BaseModel):
    """Where to go from here."""

    name: str = Field(examples=["NeighborConnect API"])
    documentation: str = Field(examples=["/docs"])
    openapi: str = Field(examples=["/openapi.json"])
    health: str = Field(examples=["/readyz"])
    metrics: str = Field(examples=["/metrics"])


@router.get("/", operation_id="getLanding")
async def landing() -> Landing:
    """Say what this is and where its documentation is."""
    return Landing(
        name="NeighborConnect API",
        documentation="/docs",
        openapi="/openapi.json",
        health="/readyz",
        metrics="/metrics",
    )


@router.get("/healthz", operation_id="getLiveness")
async def live() -> Alive:
    """Answer as long as the process does."""
    return Alive(status="ok")


@router.get("/readyz", operation_id="getReadiness", responses=declare(UnavailableError))
async def ready(request: Request) -> Readiness:
    """Return 200 while PostgreSQL answers. Without Redis, requests are served with reduced function.

    Redis is shared by every replica: if its failure made them unready, all of them would leave the load balancer.
    """
    try:
        async with request.app.state.engine.connect() as connection:
            await connection.execute(text("SELECT count(*) FROM (SELECT FROM users LIMIT 1) AS one"))
    except (SQLAlchemyError, OSError, TimeoutError):
        raise UnavailableError from None
    try:
        await request.app.state.redis.ping()
    except (RedisError, OSError):
        REDIS_UP.set(0)
        return Readiness(status="degraded", degraded=["redis"])
    REDIS_UP.set(1)
    return Readiness(status="ok", degraded=[])


@router.get("/metrics", operation_id="getMetrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Return metrics for Prometheus, whose scraper proves itself with ``PLATFORM_TOKEN`` as a bearer token."""
    if not is_bearer(request.headers.get("authorization"), request.app.state.settings.platform_token):
        raise UnauthenticatedError
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
