"""Services of the platform itself: API, workers, model servers, MLflow and Dagster, by command and health probe."""

from __future__ import annotations

import sys
from pathlib import Path

import neighborconnect
from local_stack import health_probes as probes
from local_stack.ports import HOST
from local_stack.service import Service
from local_stack.stack import Stack, prepare_socket
from neighborconnect.contracts.health import health_path

PROJECT = Path(neighborconnect.__file__).parents[1]
# Generous: on a busy machine the imports alone take minutes, and a restart would not help.
_START_SECONDS = 480.0
# A model may occupy a service's processor, and a worker reports only between batches.
_HUNG_SECONDS = 120.0
_WORKER_HUNG_SECONDS = 180.0


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _worker(
    name: str, *, title: str, command: tuple[str, ...], depends_on: tuple[str, ...], low_priority: bool = False
) -> Service:
    """Describe a process without a port, which reports its health in a file."""
    return Service(
        name=name,
        title=title,
        command=command,
        depends_on=depends_on,
        # Remove the report of an earlier process.
        prepare=lambda: health_path(name).unlink(missing_ok=True),
        check=probes.worker(name),
        working_folder=PROJECT,
        low_priority=low_priority,
        start_seconds=_START_SECONDS,
        hung_seconds=_WORKER_HUNG_SECONDS,
    )


def _mlflow(stack: Stack) -> Service:
    port = stack.ports.mlflow
    return Service(
        name="mlflow",
        title="MLflow",
        url=f"http://{HOST}:{port}",
        command=_python("models.tracking_server"),
        ports=(port,),
        depends_on=("postgres", "s3"),
        check=probes.http(f"http://{HOST}:{port}/health"),
        working_folder=PROJECT,
        low_priority=True,
        start_seconds=_START_SECONDS,
        hung_seconds=_HUNG_SECONDS,
    )


def _monitoring(stack: Stack) -> Service:
    port = stack.ports.monitoring
    return Service(
        name="monitoring",
        title="Metrics of workers, stores and pipelines",
        url=f"http://{HOST}:{port}",
        command=_python("pipelines.monitoring"),
        ports=(port,),
        # No dependencies: it reports which stores do not respond.
        check=probes.http(f"http://{HOST}:{port}/healthz"),
        working_folder=PROJECT,
        low_priority=True,
        start_seconds=_START_SECONDS,
        hung_seconds=_HUNG_SECONDS,
    )


def _bento(name: str, *, title: str, package: str, port: int) -> Service:
    return Service(
        name=name,
        title=title,
        url=f"http://{HOST}:{port}",
        command=_python(f"bentos.{package}"),
        ports=(port,),
        # Not after MLflow: both take long to import, and a bento is ready only after its first registry poll.
        depends_on=("postgres", "redis", "s3"),
        check=probes.http(f"http://{HOST}:{port}/readyz"),
        working_folder=PROJECT,
        start_seconds=_START_SECONDS,
        hung_seconds=_HUNG_SECONDS,
    )


def _dagster(stack: Stack) -> tuple[Service, Service, Service]:
    port, code_socket = stack.ports.dagster, stack.dagster_code_socket
    folder = stack.home / "dagster"
    workspace = ("-w", str(PROJECT / "dagster_home" / "workspace.yaml"))

    # Without a code server, the web server and the daemon would each load the pipelines, the daemon once a minute.
    code = Service(
        name="dagster-code",
        title="Dagster code server",
        # Not `code-server start`: it keeps listening after the process behind it has died.
        command=_python("dagster", "api", "grpc", "-m", "pipelines.definitions", "--socket", str(code_socket)),
        depends_on=("postgres",),
        # It executes requests without credentials, so the folder of its socket is private to this user.
        prepare=lambda: prepare_socket(code_socket),
        # It listens after it has loaded the pipelines.
        check=probes.grpc_health(f"unix:{code_socket}", service="DagsterApi"),
        working_folder=PROJECT,
        low_priority=True,
        start_seconds=_START_SECONDS,
        hung_seconds=_HUNG_SECONDS,
    )
    server = Service(
        name="dagster-webserver",
        title="Dagster",
        url=f"http://{HOST}:{port}",
        command=_python("pipelines.webserver"),
        ports=(port,),
        depends_on=("dagster-code",),
        prepare=lambda: folder.mkdir(mode=0o700, exist_ok=True),
        check=probes.http(f"http://{HOST}:{port}/server_info"),
        working_folder=PROJECT,
        low_priority=True,
        start_seconds=_START_SECONDS,
        hung_seconds=_HUNG_SECONDS,
    )
    daemon = Service(
        name="dagster-daemon",
        title="Dagster daemon (schedules and sensors)",
        command=_python("dagster._daemon", "run", *workspace),
        # Both create the same tables in an empty database, so on the first start the web server goes first.
        depends_on=("dagster-code",) if folder.exists() else ("dagster-webserver",),
        check=probes.dagster_heartbeat(stack.database_url("dagster")),
        working_folder=PROJECT,
        low_priority=True,
        start_seconds=_START_SECONDS,
        hung_seconds=_WORKER_HUNG_SECONDS,
        stop_seconds=15,
    )
    return code, server, daemon


def platform(stack: Stack) -> tuple[Service, ...]:
    """Describe the services of the platform, in start order."""
    api = Service(
        name="api",
        title="Product API",
        url=f"http://{HOST}:{stack.ports.api}",
        command=_python("transactional_api"),
        ports=(stack.ports.api,),
        depends_on=("postgres", "redis"),
        check=probes.http(f"http://{HOST}:{stack.ports.api}/readyz"),
        working_folder=PROJECT,
        start_seconds=_START_SECONDS,
        hung_seconds=_HUNG_SECONDS,
    )
    return (
        api,
        _worker(
            "relay",
            title="Change capture: outbox to Kafka",
            command=_python("transactional_api.cdc"),
            depends_on=("postgres", "kafka"),
        ),
        _worker(
            "jobs",
            title="Background jobs of the API",
            command=_python("transactional_api.worker"),
            depends_on=("postgres", "redis"),
            low_priority=True,
        ),
        _worker(
            "ingest-lake",
            title="Kafka to the lake",
            command=_python("pipelines.ingest", "lake"),
            depends_on=("kafka", "s3"),
            low_priority=True,
        ),
        _worker(
            "ingest-warehouse",
            title="Kafka to the warehouse",
            command=_python("pipelines.ingest", "warehouse"),
            depends_on=("kafka", "postgres"),
            low_priority=True,
        ),
        _worker(
            "stream-features",
            title="Kafka to online features",
            command=_python("pipelines.stream"),
            depends_on=("kafka", "redis", "postgres"),
        ),
        _monitoring(stack),
        _mlflow(stack),
        _bento("bento", title="Recommendations (BentoML)", package="recommendation", port=stack.ports.recommendation),
        _bento("bento-content", title="Text analysis (BentoML)", package="content", port=stack.ports.content),
        _bento("bento-matching", title="Matching (BentoML)", package="matching", port=stack.ports.matching),
        _bento("bento-image", title="Image analysis (BentoML)", package="image", port=stack.ports.image),
        _bento("bento-video", title="Video analysis (BentoML)", package="video", port=stack.ports.video),
        *_dagster(stack),
    )
