"""Our own processes, by command: the stack knows how they are started and asked, never their code."""

from __future__ import annotations

import sys
from pathlib import Path

import neighborconnect
from neighborconnect.contracts.health import health_path
from neighborconnect.stack import probes
from neighborconnect.stack.layout import Stack, prepare_socket
from neighborconnect.stack.ports import HOST
from neighborconnect.stack.service import Service

PROJECT = Path(neighborconnect.__file__).parents[1]
# Loose: on a busy machine the imports alone take minutes, and starting over helps nobody.
_START_SECONDS = 480.0
# A model may keep a service's processor busy, and a worker reports only between two batches.
_HUNG_SECONDS = 120.0
_WORKER_HUNG_SECONDS = 180.0


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _worker(
    name: str, *, title: str, command: tuple[str, ...], after: tuple[str, ...], yields: bool = False
) -> Service:
    """Describe a process without a port, which reports its health in a file."""
    return Service(
        name=name,
        title=title,
        command=command,
        after=after,
        # What an earlier process said is not what this one says.
        prepare=lambda: health_path(name).unlink(missing_ok=True),
        check=probes.worker(name),
        working_folder=PROJECT,
        yields=yields,
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
        after=("postgres", "s3"),
        check=probes.http(f"http://{HOST}:{port}/health"),
        working_folder=PROJECT,
        yields=True,
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
        # Not after MLflow: both take long to import, and a bento is ready only once it has asked for champions.
        after=("postgres", "redis", "s3"),
        check=probes.http(f"http://{HOST}:{port}/readyz"),
        working_folder=PROJECT,
        start_seconds=_START_SECONDS,
        hung_seconds=_HUNG_SECONDS,
    )


def _dagster(stack: Stack) -> tuple[Service, Service, Service]:
    port, code_socket = stack.ports.dagster, stack.dagster_code_socket
    folder = stack.home / "dagster"
    workspace = ("-w", str(PROJECT / "dagster_home" / "workspace.yaml"))

    # The web server and the daemon would each load the pipelines on their own, the daemon anew every minute.
    code = Service(
        name="dagster-code",
        title="The pipelines' code, for Dagster",
        # Not `code-server start`: that goes on listening when the process behind it has died.
        command=_python("dagster", "api", "grpc", "-m", "pipelines.definitions", "--socket", str(code_socket)),
        after=("postgres",),
        # It executes what it is asked to, without credentials: the folder of its socket is this user's alone.
        prepare=lambda: prepare_socket(code_socket),
        # It listens once it has loaded them.
        check=probes.grpc_health(f"unix:{code_socket}", service="DagsterApi"),
        working_folder=PROJECT,
        yields=True,
        start_seconds=_START_SECONDS,
        hung_seconds=_HUNG_SECONDS,
    )
    server = Service(
        name="dagster-webserver",
        title="Dagster",
        url=f"http://{HOST}:{port}",
        command=_python("pipelines.webserver"),
        ports=(port,),
        after=("dagster-code",),
        prepare=lambda: folder.mkdir(exist_ok=True),
        check=probes.http(f"http://{HOST}:{port}/server_info"),
        working_folder=PROJECT,
        yields=True,
        start_seconds=_START_SECONDS,
        hung_seconds=_HUNG_SECONDS,
    )
    daemon = Service(
        name="dagster-daemon",
        title="Dagster's schedules and sensors",
        command=_python("dagster._daemon", "run", *workspace),
        # Both would create the same tables on an empty database, so the first time one goes first.
        after=("dagster-code",) if folder.exists() else ("dagster-webserver",),
        check=probes.heartbeat(stack.database_url("dagster")),
        working_folder=PROJECT,
        yields=True,
        start_seconds=_START_SECONDS,
        hung_seconds=_WORKER_HUNG_SECONDS,
        stop_seconds=15,
    )
    return code, server, daemon


def platform(stack: Stack) -> tuple[Service, ...]:
    """Describe the platform's own processes, in order of start."""
    api = Service(
        name="api",
        title="Product API",
        url=f"http://{HOST}:{stack.ports.api}",
        command=_python("transactional_api"),
        ports=(stack.ports.api,),
        after=("postgres", "redis"),
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
            after=("postgres", "kafka"),
        ),
        _worker(
            "jobs",
            title="Background jobs of the API",
            command=_python("transactional_api.jobs"),
            after=("postgres", "redis"),
            yields=True,
        ),
        _worker(
            "ingest-lake",
            title="Kafka to the lake",
            command=_python("pipelines.ingest", "lake"),
            after=("kafka", "s3"),
            yields=True,
        ),
        _worker(
            "ingest-warehouse",
            title="Kafka to the warehouse",
            command=_python("pipelines.ingest", "warehouse"),
            after=("kafka", "postgres"),
            yields=True,
        ),
        _worker(
            "stream-features",
            title="Kafka to online features",
            command=_python("pipelines.stream"),
            after=("kafka", "redis", "postgres"),
        ),
        _mlflow(stack),
        _bento("bento", title="Recommendations (BentoML)", package="recommendation", port=stack.ports.recommendation),
        _bento("bento-content", title="What texts say (BentoML)", package="content", port=stack.ports.content),
        _bento("bento-matching", title="Who fits whom (BentoML)", package="matching", port=stack.ports.matching),
        _bento("bento-image", title="What pictures show (BentoML)", package="image", port=stack.ports.image),
        _bento("bento-video", title="Videos, made and seen (BentoML)", package="video", port=stack.ports.video),
        *_dagster(stack),
    )
