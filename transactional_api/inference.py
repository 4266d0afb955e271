"""The one client of the model services: a deadline, a breaker each, and a reason when there is no answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

import aiohttp
from prometheus_client import Histogram
from pydantic import BaseModel

from neighborconnect.contracts.serving import RankRequest, RankResponse
from neighborconnect.contracts.vision import REFUSED
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings
from neighborconnect.telemetry import current_traceparent, get_logger
from transactional_api.breaker import BreakerOpenError, CircuitBreaker

CONNECTIONS = 64
IDLE_SECONDS = 4.0
"""How long a connection waits for its next question: less than the five seconds after which the services close it."""
LONGEST_STEP = 1 << 20
"""Bytes of a line that tells of a step; one of more than twice as many is no answer."""
JOB_PATIENCE = 10.0

SECONDS = Histogram(
    "api_inference_seconds",
    "Time of calls to the model services, by service and outcome.",
    ["service", "outcome"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 1),
)

log = get_logger(__name__)


class NoAnswer(StrEnum):
    """Why the model did not answer."""

    DEADLINE_EXCEEDED = "deadline_exceeded"
    BREAKER_OPEN = "breaker_open"
    SERVICE_UNAVAILABLE = "service_unavailable"
    INVALID_ANSWER = "invalid_answer"
    NOT_DEPLOYED = "not_deployed"
    NO_CONSENT = "no_consent"
    NO_MATCHES = "no_matches"
    REFUSED = "refused"


class InferenceError(Exception):
    """The model did not answer; ``reason`` says why."""

    def __init__(self, reason: NoAnswer) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Service(StrEnum):
    """A service that answers with models, one a family."""

    RECOMMENDATION = "recommendation"
    CONTENT = "content"
    MATCHING = "matching"
    IMAGE = "image"
    VIDEO = "video"


Answer = TypeVar("Answer", bound=BaseModel)


class InferenceClient:
    """Asks the model services. One a process, so that each breaker sees every call to its service."""

    def __init__(self, settings: Settings, *, breaker: CircuitBreaker | None = None, patience: float = 0.0) -> None:
        """Open no connection yet.

        Args:
            settings: urls and deadlines.
            breaker: of the recommendations, instead of the usual one.
            patience: seconds that every service has at least.
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
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=bearer(settings.platform_token),
            read_bufsize=LONGEST_STEP,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def rank(self, request: RankRequest) -> RankResponse:
        """Rank items within the deadline.

        Raises:
            InferenceError: when there is no usable answer in time; it says why.
        """
        return await self.ask(Service.RECOMMENDATION, "/rank", request, RankResponse)

    async def ask(
        self, service: Service, path: str, request: BaseModel, answer: type[Answer], *, seconds: float | None = None
    ) -> Answer:
        """Ask a service; asking is idempotent, changes nothing, and is not repeated within its deadline.

        Args:
            service: which one.
            path: of its route.
            request: the body, sent as ``{"request": ...}``.
            answer: what it must answer.
            seconds: a deadline that is shorter than the service's; that one if None.

        Raises:
            InferenceError: when there is no usable answer in time; it says why.
        """
        url, outcome, began = self._urls[service], "answered", asyncio.get_running_loop().time()
        if url is None:
            raise InferenceError(NoAnswer.NOT_DEPLOYED)
        try:
            with self._breakers[service].call():
                deadline = self._deadlines[service] if seconds is None else min(seconds, self._deadlines[service])
                got = await self._post(url + path, request, answer, seconds=deadline)
        except BreakerOpenError:
            outcome = NoAnswer.BREAKER_OPEN
            raise InferenceError(NoAnswer.BREAKER_OPEN) from None
        except InferenceError as error:
            outcome = error.reason
            log.warning("inference.no_answer", reason=error.reason, service=service, path=path)
            raise
        else:
            outcome = NoAnswer.REFUSED if got is None else "answered"
        finally:
            SECONDS.labels(service, outcome).observe(asyncio.get_running_loop().time() - began)
        # That a file is refused says nothing against the service.
        if got is None:
            raise InferenceError(NoAnswer.REFUSED)
        return got

    async def follow(
        self, service: Service, path: str, request: BaseModel, step: type[Answer]
    ) -> AsyncGenerator[Answer, None]:
        """Ask for something long, and yield each step that the service tells of; leaving off cancels it.

        Between two steps it may be silent for as long as the service's deadline.

        Raises:
            InferenceError: when it cannot be asked, or breaks off; it says why.
        """
        url = self._urls[service]
        if url is None:
            raise InferenceError(NoAnswer.NOT_DEPLOYED)
        body, headers = _body(request), _headers()
        seconds = self._deadlines[service]
        patience = aiohttp.ClientTimeout(total=None, connect=seconds, sock_read=seconds)
        try:
            async with self._http.post(url + path, data=body, headers=headers, timeout=patience) as got:
                if got.status != HTTPStatus.OK:
                    raise InferenceError(NoAnswer.SERVICE_UNAVAILABLE)
                async for line in got.content:
                    if line.strip():
                        yield step.model_validate_json(line)
        except TimeoutError:
            raise InferenceError(NoAnswer.DEADLINE_EXCEEDED) from None
        except aiohttp.ClientError:
            raise InferenceError(NoAnswer.SERVICE_UNAVAILABLE) from None
        except ValueError:
            raise InferenceError(NoAnswer.INVALID_ANSWER) from None

    async def _post(self, url: str, request: BaseModel, answer: type[Answer], *, seconds: float) -> Answer | None:
        try:
            patience = aiohttp.ClientTimeout(total=seconds)
            async with self._http.post(url, data=_body(request), headers=_headers(), timeout=patience) as got:
                status, said = got.status, await got.read()
        except TimeoutError:
            raise InferenceError(NoAnswer.DEADLINE_EXCEEDED) from None
        except aiohttp.ClientError:
            raise InferenceError(NoAnswer.SERVICE_UNAVAILABLE) from None
        if status == REFUSED:
            return None
        if status != HTTPStatus.OK:
            raise InferenceError(NoAnswer.SERVICE_UNAVAILABLE)
        try:
            response = answer.model_validate_json(said)
            if isinstance(response, RankResponse):
                for item in response.items:
                    UUID(item.item_id)
        except ValueError:
            raise InferenceError(NoAnswer.INVALID_ANSWER) from None
        return response


@asynccontextmanager
async def inference_of_a_job(settings: Settings) -> AsyncIterator[InferenceClient]:
    """Give a client that waits longer: nobody waits for a job, and its many texts stand back for what somebody asks."""
    client = InferenceClient(settings, patience=JOB_PATIENCE)
    try:
        yield client
    finally:
        await client.aclose()


def _headers() -> dict[str, str]:
    headers = {"content-type": "application/json"}
    if traceparent := current_traceparent.get():
        headers["traceparent"] = traceparent
    return headers


def _body(request: BaseModel) -> bytes:
    return f'{{"request":{request.model_dump_json()}}}'.encode()
