"""Is the process alive, can it work, what has it done."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from transactional_api.errors import UnavailableError, declare

router = APIRouter(tags=["platform"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = Field(examples=["ok"])


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
async def ready(request: Request) -> Alive:
    """Answer as long as PostgreSQL and Redis do real work."""
    try:
        async with request.app.state.engine.connect() as connection:
            await connection.execute(text("SELECT count(*) FROM (SELECT FROM users LIMIT 1) AS one"))
        await request.app.state.redis.ping()
    except (SQLAlchemyError, RedisError, OSError, TimeoutError):
        raise UnavailableError from None
    return Alive(status="ok")


@router.get("/metrics", operation_id="getMetrics", include_in_schema=False)
async def metrics() -> Response:
    """Answer Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
