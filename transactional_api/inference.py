"""The one client of the recommendation service: a deadline, a breaker, and a reason when there is no answer."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from uuid import UUID

import httpx
from prometheus_client import Histogram
from pydantic import BaseModel

from neighborconnect.contracts.serving import RankRequest, RankResponse
from neighborconnect.settings import Settings
from neighborconnect.telemetry import current_traceparent, get_logger
from transactional_api.breaker import BreakerOpenError, CircuitBreaker

CONNECTIONS = 64

SECONDS = Histogram(
    "api_inference_seconds",
    "Time of calls to the recommendation service, by outcome.",
    ["outcome"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 1),
)

log = get_logger(__name__)


class NoAnswer(StrEnum):
    """Why the model did not answer."""

    DEADLINE_EXCEEDED = "deadline_exceeded"
    BREAKER_OPEN = "breaker_open"
    SERVICE_UNAVAILABLE = "service_unavailable"
    INVALID_ANSWER = "invalid_answer"


class InferenceError(Exception):
    """The model did not answer; ``reason`` says why."""

    def __init__(self, reason: NoAnswer) -> None:
        super().__init__(reason.value)
        self.reason = reason


class _Call(BaseModel):
    request: RankRequest


class InferenceClient:
    """Asks the recommendation service. One a process, so that its breaker sees every call."""

    def __init__(self, settings: Settings, *, breaker: CircuitBreaker | None = None) -> None:
        self._deadline_seconds = settings.recommendation_deadline_ms / 1000
        self._breaker = breaker or CircuitBreaker()
        self._http = httpx.AsyncClient(
            base_url=settings.recommendation_url,
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            timeout=self._deadline_seconds,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def rank(self, request: RankRequest) -> RankResponse:
        """Rank items within the deadline.

        Raises:
            InferenceError: when there is no usable answer in time; it says why.
        """
        outcome, began = "answered", asyncio.get_running_loop().time()
        try:
            with self._breaker.call():
                return await self._ask(request)
        except BreakerOpenError:
            outcome = NoAnswer.BREAKER_OPEN
            raise InferenceError(NoAnswer.BREAKER_OPEN) from None
        except InferenceError as error:
            outcome = error.reason
            log.warning("inference.no_answer", reason=error.reason, item_kind=request.item_kind)
            raise
        finally:
            SECONDS.labels(outcome).observe(asyncio.get_running_loop().time() - began)

    async def _ask(self, request: RankRequest) -> RankResponse:
        headers = {"content-type": "application/json"}
        if traceparent := current_traceparent.get():
            headers["traceparent"] = traceparent
        try:
            # httpx limits each read and write; the deadline is for all of them together.
            async with asyncio.timeout(self._deadline_seconds):
                answer = await self._http.post(
                    "/rank", content=_Call(request=request).model_dump_json(), headers=headers
                )
        except (TimeoutError, httpx.TimeoutException):
            raise InferenceError(NoAnswer.DEADLINE_EXCEEDED) from None
        except httpx.HTTPError:
            raise InferenceError(NoAnswer.SERVICE_UNAVAILABLE) from None
        if answer.status_code != httpx.codes.OK:
            raise InferenceError(NoAnswer.SERVICE_UNAVAILABLE)
        try:
            response = RankResponse.model_validate_json(answer.content)
            for item in response.items:
                UUID(item.item_id)
        except ValueError:
            raise InferenceError(NoAnswer.INVALID_ANSWER) from None
        return response
