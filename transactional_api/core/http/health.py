"""Liveness and readiness of the process; metrics of all workers that share its address."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from neighborconnect.service_auth import is_bearer
from transactional_api.core.errors import UnauthenticatedError, UnavailableError, problem_responses

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable of prometheus_client: the folder in which several workers keep their metrics."""
REDIS_UP = Gauge(
    "api_redis_up", "Whether Redis answered the last readiness check of any worker.", multiprocess_mode="mostrecent"
)

router = APIRouter(tags=["platform"])


class Alive(BaseModel):
    """Liveness of the process."""

    status: Literal["ok"] = Field(examples=["ok"])


class Readiness(BaseModel):
    """Readiness of the process; optional stores may be unavailable."""

    status: Literal["ok", "degraded"] = Field(examples=["ok"])
    degraded: list[str] = Field(description="Stores that do not respond.", examples=[[]])


class ApiRoot(BaseModel):
    """Root of the API, with links to its documentation and health."""

    name: str = Field(examples=["NeighborConnect API"])
    documentation: str = Field(examples=["/docs"])
    openapi: str = Field(examples=["/openapi.json"])
    health: str = Field(examples=["/readyz"])
    metrics: str = Field(examples=["/metrics"])


@router.get("/", operation_id="getApiRoot")
async def api_root() -> ApiRoot:
    """Return the name of the API and links to its documentation and health."""
    return ApiRoot(
        name="NeighborConnect API",
        documentation="/docs",
        openapi="/openapi.json",
        health="/readyz",
        metrics="/metrics",
    )


@router.get("/healthz", operation_id="getLiveness")
async def live() -> Alive:
    """Return 200 while the process runs."""
    return Alive(status="ok")


@router.get("/readyz", operation_id="getReadiness", responses=problem_responses(UnavailableError))
async def ready(request: Request) -> Readiness:
    """Return 200 while PostgreSQL responds. Without Redis, requests are served with reduced function.

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
    """Return metrics for Prometheus, which authenticates with ``PLATFORM_TOKEN`` as a bearer token.

    With several workers, counters and histograms are their sums, those of replaced workers included; the metrics of
    one process (memory, garbage collection) are left out.
    """
    if not is_bearer(request.headers.get("authorization"), request.app.state.settings.platform_token):
        raise UnauthenticatedError
    registry = REGISTRY
    if request.app.state.settings.api_workers > 1:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
