"""Catalog of the services of the platform by name, in start order."""

from __future__ import annotations

import os
from dataclasses import replace

from local_stack.kafka_principals import PRINCIPAL_OF_SERVICE
from local_stack.platform_services import PROJECT, platform
from local_stack.servers.broker import broker
from local_stack.servers.postgres import postgres
from local_stack.servers.seaweed import seaweed
from local_stack.servers.valkey import valkey
from local_stack.service import Service
from local_stack.stack import Stack

SERVERS = ("postgres", "redis", "s3", "kafka")
MODEL_INDEPENDENT_SERVICES = (
    "api",
    "relay",
    "jobs",
    "ingest-lake",
    "ingest-warehouse",
    "stream-features",
    "monitoring",
    "mlflow",
    "dagster-code",
    "dagster-webserver",
    "dagster-daemon",
)
BENTO_SERVICES = ("bento", "bento-content", "bento-matching", "bento-image", "bento-video")
SERVICE_ORDER = (*SERVERS, *MODEL_INDEPENDENT_SERVICES, *BENTO_SERVICES)
# No telemetry to third parties; one thread per numeric library and few malloc arenas per process.
_COMMON_VARIABLES = {
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
# With the first, each of twenty processes would compile all that it imports at every start. Feast sets the others
# at import to a folder that it deletes when the importing process exits; servers that outlive it would fail to start.
_NOT_INHERITED = frozenset({"PYTHONDONTWRITEBYTECODE", "PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR"})


def child_environment(stack: Stack) -> dict[str, str]:
    """Return the environment of every process of the stack."""
    dagster = {
        "DAGSTER_HOME": str(PROJECT / "dagster_home"),
        "DAGSTER_DATA_DIR": str(stack.home / "dagster"),
        "DAGSTER_CODE_SOCKET": str(stack.dagster_code_socket),
    }
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    return {**inherited, **_COMMON_VARIABLES, **stack.settings, **dagster}


def services(stack: Stack) -> dict[str, Service]:
    """Return every service by name.

    Raises:
        StackError: a server program is not installed.
    """
    every_service = (postgres(stack), valkey(stack), seaweed(stack), broker(stack), *platform(stack))
    return {service.name: _with_kafka_credentials(service, stack) for service in every_service}


def _with_kafka_credentials(service: Service, stack: Stack) -> Service:
    """Replace the operator's Kafka credentials of the settings by those of the service's own principal."""
    credentials = stack.kafka_credentials(PRINCIPAL_OF_SERVICE.get(service.name))
    return replace(service, environment={**service.environment, **credentials})
