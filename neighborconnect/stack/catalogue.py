"""Every service of the platform, by name, in order of start."""

from __future__ import annotations

import os
from dataclasses import replace

from neighborconnect.stack.broker import broker
from neighborconnect.stack.kafka_principals import PRINCIPAL_OF_SERVICE
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.platform import PROJECT, platform
from neighborconnect.stack.postgres import postgres
from neighborconnect.stack.seaweed import seaweed
from neighborconnect.stack.service import Service
from neighborconnect.stack.valkey import valkey

SERVERS = ("postgres", "redis", "s3", "kafka")
# What needs no model, and what serves one.
BEFORE_THE_FIRST_MODEL = (
    "api",
    "relay",
    "jobs",
    "ingest-lake",
    "ingest-warehouse",
    "stream-features",
    "mlflow",
    "dagster-code",
    "dagster-webserver",
    "dagster-daemon",
)
BENTOS = ("bento", "bento-content", "bento-matching", "bento-image", "bento-video")
SERVICE_ORDER = (*SERVERS, *BEFORE_THE_FIRST_MODEL, *BENTOS)
# Nothing here calls home, and libraries do not each take every core or a heap an arena.
_SWITCHES = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "GX_ANALYTICS_ENABLED": "false",
    "FEAST_USAGE": "False",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "PYTHONUNBUFFERED": "1",
}
# Twenty processes would each compile, at every start, all that they import.
_NOT_INHERITED = frozenset({"PYTHONDONTWRITEBYTECODE"})


def child_environment(stack: Stack) -> dict[str, str]:
    """Return the environment that every process of the stack gets."""
    dagster = {
        "DAGSTER_HOME": str(PROJECT / "dagster_home"),
        "DAGSTER_DATA_DIR": str(stack.home / "dagster"),
        "DAGSTER_CODE_SOCKET": str(stack.dagster_code_socket),
    }
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    return {**inherited, **_SWITCHES, **stack.settings, **dagster}


def services(stack: Stack) -> dict[str, Service]:
    """Return every service by name.

    Raises:
        StackError: when something that they need is not installed.
    """
    found = (postgres(stack), valkey(stack), seaweed(stack), broker(stack), *platform(stack))
    return {service.name: _with_kafka_credentials(service, stack) for service in found}


def _with_kafka_credentials(service: Service, stack: Stack) -> Service:
    """Give a service the credentials of its own principal, instead of the operator's that settings hold."""
    credentials = stack.kafka_credentials(PRINCIPAL_OF_SERVICE.get(service.name))
    return replace(service, environment={**service.environment, **credentials})
