"""Health probes of our own processes: ``NoAnswerError`` without an answer, ``NotReadyError`` with a bad one."""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc  # type: ignore[import-untyped]
import httpx
import psycopg

from neighborconnect.contracts.health import read_health
from neighborconnect.stack.errors import NoAnswerError, NotReadyError

_PROBE_SECONDS = 10.0
_HEARTBEAT_SECONDS = 90
_SHOWN_CHARACTERS = 200
# Messages of grpc.health.v1, by hand: a field 1 of text, and a field 1 of the number that means SERVING.
_GRPC_HEALTH = "/grpc.health.v1.Health/Check"
_GRPC_SERVING = b"\x08\x01"


def http(url: str) -> Callable[[], None]:
    """Return a check that ``url`` answers with success."""
    # One client for all probes: making one reads every certificate of the machine.
    client = httpx.Client(timeout=_PROBE_SECONDS, trust_env=False)

    def check() -> None:
        try:
            answer = client.get(url)
        except httpx.HTTPError as error:
            raise NoAnswerError(f"{type(error).__name__}: {error}") from None
        if not answer.is_success:
            raise NotReadyError(f"{url} answers {answer.status_code}: {answer.text[:_SHOWN_CHARACTERS]}")

    return check


def worker(name: str) -> Callable[[], None]:
    """Return a check that worker ``name``, which has no port, wrote lately that it is ready."""

    def check() -> None:
        health = read_health(name)
        if health is None:
            raise NoAnswerError("has not reported its health yet")
        if not health.is_fresh:
            raise NoAnswerError(f"has not reported its health for {time.time() - health.updated_at:.0f} s")
        if not health.ready:
            raise NotReadyError(health.detail or "reports that it is not ready")

    return check


def grpc_health(target: str, *, service: str) -> Callable[[], None]:
    """Return a check that the gRPC server at ``target`` serves ``service``.

    An open port or socket is no answer: the kernel accepts connections for a process that is stopped.
    """
    request = b"\x0a" + bytes([len(service)]) + service.encode()

    def check() -> None:
        with grpc.insecure_channel(target, options=(("grpc.enable_http_proxy", 0),)) as channel:
            try:
                answer = channel.unary_unary(_GRPC_HEALTH)(request, timeout=_PROBE_SECONDS)
            except grpc.RpcError as error:
                raise NoAnswerError(f"{error.code().name}: {error.details()}") from None
        if answer != _GRPC_SERVING:
            raise NotReadyError(f"gRPC health of {service} is not SERVING")

    return check


def heartbeat(database_url: str) -> Callable[[], None]:
    """Return a check that Dagster's daemon wrote a heartbeat into its database lately."""

    def check() -> None:
        try:
            with psycopg.connect(database_url, connect_timeout=3) as connection:
                row = connection.execute("SELECT max(timestamp) FROM daemon_heartbeats").fetchone()
        except psycopg.Error as error:
            raise NotReadyError(str(error).strip()) from None
        age = time.time() - (row[0].timestamp() if row and row[0] else 0.0)
        if age > _HEARTBEAT_SECONDS:
            raise NoAnswerError(f"no heartbeat for {age:.0f} s" if row and row[0] else "no heartbeat yet")

    return check
