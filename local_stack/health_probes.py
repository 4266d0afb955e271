"""Health probes of the platform's processes: they raise ``NoResponseError`` or ``NotReadyError``."""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc  # type: ignore[import-untyped]
import httpx
import psycopg

from local_stack.errors import NoResponseError, NotReadyError
from neighborconnect.contracts.health import read_health

_PROBE_SECONDS = 10.0
_HEARTBEAT_SECONDS = 90
_SHOWN_CHARACTERS = 200
# Messages of grpc.health.v1: field 1 of the request is the service, field 1 of the response is 1 for SERVING.
_GRPC_HEALTH = "/grpc.health.v1.Health/Check"
_GRPC_SERVING = b"\x08\x01"


def http(url: str) -> Callable[[], None]:
    """Return a check that ``url`` responds with a success status."""
    # One client for all probes: creating a client reads every CA certificate of the machine.
    client = httpx.Client(timeout=_PROBE_SECONDS, trust_env=False)

    def check() -> None:
        try:
            response = client.get(url)
        except httpx.HTTPError as error:
            raise NoResponseError(f"{type(error).__name__}: {error}") from None
        if not response.is_success:
            raise NotReadyError(f"{url} responds {response.status_code}: {response.text[:_SHOWN_CHARACTERS]}")

    return check


def worker(name: str) -> Callable[[], None]:
    """Return a check that worker ``name``, which has no port, recently reported that it is ready."""

    def check() -> None:
        health = read_health(name)
        if health is None:
            raise NoResponseError("no health report yet")
        if not health.is_fresh:
            raise NoResponseError(f"no health report for {time.time() - health.updated_at:.0f} s")
        if not health.ready:
            raise NotReadyError(health.detail or "reports that it is not ready")

    return check


def grpc_health(target: str, *, service: str) -> Callable[[], None]:
    """Return a check that the gRPC server at ``target`` serves ``service``.

    An open socket proves nothing: the operating system accepts connections for a suspended process.
    """
    request = b"\x0a" + bytes([len(service)]) + service.encode()

    def check() -> None:
        with grpc.insecure_channel(target, options=(("grpc.enable_http_proxy", 0),)) as channel:
            try:
                response = channel.unary_unary(_GRPC_HEALTH)(request, timeout=_PROBE_SECONDS)
            except grpc.RpcError as error:
                raise NoResponseError(f"{error.code().name}: {error.details()}") from None
        if response != _GRPC_SERVING:
            raise NotReadyError(f"gRPC health of {service} is not SERVING")

    return check


def dagster_heartbeat(database_url: str) -> Callable[[], None]:
    """Return a check that Dagster's daemon recently wrote a heartbeat to its database."""

    def check() -> None:
        try:
            with psycopg.connect(database_url, connect_timeout=3) as connection:
                row = connection.execute("SELECT max(timestamp) FROM daemon_heartbeats").fetchone()
        except psycopg.Error as error:
            raise NotReadyError(str(error).strip()) from None
        age = time.time() - (row[0].timestamp() if row and row[0] else 0.0)
        if age > _HEARTBEAT_SECONDS:
            raise NoResponseError(f"no heartbeat for {age:.0f} s" if row and row[0] else "no heartbeat yet")

    return check
