"""Client of the model services: a deadline and a circuit breaker per service, and a reason for each fallback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, TypeVar
from uuid import UUID

import aiohttp
from fastapi import Depends, Request
from prometheus_client import Histogram
from pydantic import BaseModel, ConfigDict, Field

from neighborconnect.circuit_breaker import BreakerOpenError, CircuitBreaker
from neighborconnect.contracts.events import SHORT_LIVED
from neighborconnect.contracts.serving import RankRequest, RankResponse
from neighborconnect.contracts.vision import REFUSED
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings
from neighborconnect.telemetry import current_traceparent, get_logger

CONNECTIONS = 64
IDLE_SECONDS = 4.0
"""Keep-alive of connections: less than the five seconds after which the services close them."""
MAX_LINE_BYTES = 1 << 20
"""Read buffer for the lines of a progress stream; a line longer than twice as many bytes is invalid."""
JOB_PATIENCE = 10.0

SECONDS = Histogram(
    "api_inference_seconds",
    "Time of calls to the model services, by service and outcome.",
    ["service", "outcome"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 1),
)

log = get_logger(__name__)


class FallbackReason(StrEnum):
    """Reason why no model response was used."""

    DEADLINE_EXCEEDED = "deadline_exceeded"
    BREAKER_OPEN = "breaker_open"
    SERVICE_UNAVAILABLE = "service_unavailable"
    INVALID_ANSWER = "invalid_answer"
    NOT_DEPLOYED = "not_deployed"
    NO_CONSENT = "no_consent"
    NO_MATCHES = "no_matches"
    REFUSED = "refused"


class InferenceError(Exception):
    """No usable model response; ``reason`` is the cause."""

    def __init__(self, reason: FallbackReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Service(StrEnum):
    """Model services."""

    RECOMMENDATION = "recommendation"
    CONTENT = "content"
    MATCHING = "matching"
    IMAGE = "image"
    VIDEO = "video"


Answer = TypeVar("Answer", bound=BaseModel)


class InferenceClient:
    """HTTP client of the model services, one per process, so that each breaker counts all calls to its service."""

    def __init__(self, settings: Settings, *, breaker: CircuitBreaker | None = None, patience: float = 0.0) -> None:
        """Open no connection yet.

        Args:
            settings: URLs and deadlines.
            breaker: circuit breaker of the recommendation service; for tests.
            patience: minimum deadline of every service in seconds.
        """
        self._urls = {
            Service.RECOMMENDATION: settings.recommendation_url,
            Service.CONTENT: settings.content_url,
            Service.MATCHING: settings.matching_url,
            Service.IMAGE: settings.image_url,
            Service.VIDEO: settings.video_url,
        }
        slow = settings.inference_deadline_ms / 1000
        self._deadlines = dict.fromkeys(Service, slow)
        self._deadlines[Service.IMAGE] = settings.image_deadline_ms / 1000
        self._deadlines[Service.VIDEO] = settings.video_deadline_ms / 1000
        self._deadlines[Service.RECOMMENDATION] = settings.recommendation_deadline_ms / 1000
        self._deadlines = {service: max(seconds, patience) for service, seconds in self._deadlines.items()}
        self._breakers = {service: CircuitBreaker() for service in Service}
        if breaker is not None:
            self._breakers[Service.RECOMMENDATION] = breaker
        # A kind that has no champion yet responds with 503, which must not stop the requests for other kinds.
        self._breakers_by_kind = {kind: CircuitBreaker() for kind in SHORT_LIVED}
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=bearer(settings.platform_token),
            read_bufsize=MAX_LINE_BYTES,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def rank(self, request: RankRequest) -> RankResponse:
        """Rank items within the deadline.

        Raises:
            InferenceError: when there is no usable response in time.
        """
        breaker = self._breakers_by_kind.get(request.item_kind)
        return await self.ask(Service.RECOMMENDATION, "/rank", request, RankResponse, breaker=breaker)

    async def ask(
        self,
        service: Service,
        path: str,
        request: BaseModel,
        answer: type[Answer],
        *,
        seconds: float | None = None,
        breaker: CircuitBreaker | None = None,
    ) -> Answer:
        """Call a service once, without retries; calls are idempotent.

        Args:
            service: service to call.
            path: path of the route.
            request: the body, sent as ``{"request": ...}``.
            answer: model of the response.
            seconds: deadline shorter than that of the service; None for that of the service.
            breaker: circuit breaker of these calls; None for that of the service.

        Raises:
            InferenceError: when there is no usable response in time.
        """
        url, outcome, began = self._urls[service], "answered", asyncio.get_running_loop().time()
        if url is None:
            raise InferenceError(FallbackReason.NOT_DEPLOYED)
        try:
            with (breaker or self._breakers[service]).call():
                deadline = self._deadlines[service] if seconds is None else min(seconds, self._deadlines[service])
                got = await self._post(url + path, request, answer, seconds=deadline)
        except BreakerOpenError:
            outcome = FallbackReason.BREAKER_OPEN
            raise InferenceError(FallbackReason.BREAKER_OPEN) from None
        except InferenceError as error:
            outcome = error.reason
            log.warning("inference.no_answer", reason=error.reason, service=service, path=path)
            raise
        else:
            outcome = FallbackReason.REFUSED if got is None else "answered"
        finally:
            SECONDS.labels(service, outcome).observe(asyncio.get_running_loop().time() - began)
        # A refused file is not a failure of the service.
        if got is None:
            raise InferenceError(FallbackReason.REFUSED)
        return got

    async def follow(
        self, service: Service, path: str, request: BaseModel, step: type[Answer]
    ) -> AsyncGenerator[Answer, None]:
        """Run a long task of a service and yield its progress; closing the generator cancels the task.

        The deadline of the service applies to each step.

        Raises:
            InferenceError: when the call fails or the stream is interrupted.
        """
        url = self._urls[service]
        if url is None:
            raise InferenceError(FallbackReason.NOT_DEPLOYED)
        body, headers = _body(request), _headers()
        seconds = self._deadlines[service]
        patience = aiohttp.ClientTimeout(total=None, connect=seconds, sock_read=seconds)
        try:
            async with self._http.post(url + path, data=body, headers=headers, timeout=patience) as got:
                if got.status != HTTPStatus.OK:
                    raise InferenceError(FallbackReason.SERVICE_UNAVAILABLE)
                async for line in got.content:
                    if line.strip():
                        yield step.model_validate_json(line)
        except TimeoutError:
            raise InferenceError(FallbackReason.DEADLINE_EXCEEDED) from None
        except aiohttp.ClientError:
            raise InferenceError(FallbackReason.SERVICE_UNAVAILABLE) from None
        except ValueError:
            raise InferenceError(FallbackReason.INVALID_ANSWER) from None

    async def _post(self, url: str, request: BaseModel, answer: type[Answer], *, seconds: float) -> Answer | None:
        try:
            patience = aiohttp.ClientTimeout(total=seconds)
            async with self._http.post(url, data=_body(request), headers=_headers(), timeout=patience) as got:
                status, body = got.status, await got.read()
        except TimeoutError:
            raise InferenceError(FallbackReason.DEADLINE_EXCEEDED) from None
        except aiohttp.ClientError:
            raise InferenceError(FallbackReason.SERVICE_UNAVAILABLE) from None
        if status == REFUSED:
            return None
        if status != HTTPStatus.OK:
            raise InferenceError(FallbackReason.SERVICE_UNAVAILABLE)
        try:
            response = answer.model_validate_json(body)
            if isinstance(response, RankResponse):
                for item in response.items:
                    UUID(item.item_id)
        except ValueError:
            raise InferenceError(FallbackReason.INVALID_ANSWER) from None
        return response


@asynccontextmanager
async def job_inference_client(settings: Settings) -> AsyncIterator[InferenceClient]:
    """Yield a client with longer deadlines for jobs, whose calls yield to interactive ones at the service."""
    client = InferenceClient(settings, patience=JOB_PATIENCE)
    try:
        yield client
    finally:
        await client.aclose()


def _headers() -> dict[str, str]:
    headers = {"content-type": "application/json"}
    if traceparent := current_traceparent():
        headers["traceparent"] = traceparent
    return headers


def _body(request: BaseModel) -> bytes:
    return f'{{"request":{request.model_dump_json()}}}'.encode()


class PredictionSource(StrEnum):
    """Source of a prediction: a model, or the fallback rules."""

    MODEL = "model"
    RULES = "rules"


class PredictionResult(BaseModel):
    """Base of responses that a model or, as a fallback, rules produced."""

    model_config = ConfigDict(protected_namespaces=())

    source: PredictionSource = Field(description="`rules`: no model responded in time.", examples=["model"])
    reason_code: str | None = Field(description="Reason of the fallback; null if a model responded.", examples=[None])
    model_version: str | None = Field(description="Null if no model responded.", examples=["3"])
    features_age_ms: int | None = Field(
        default=None,
        description="Age of the oldest stored features that the model used; null if it used none.",
        examples=[1800],
    )


async def _inference(request: Request) -> InferenceClient:
    client: InferenceClient = request.app.state.inference
    return client


InferenceDep = Annotated[InferenceClient, Depends(_inference)]
"""The client of the model services."""
