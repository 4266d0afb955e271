"""A run whose process is killed is marked as failed and blocks nobody, on a real instance with a real daemon."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg
import mlflow
import psutil
import psycopg
import pytest
from dagster._cli.job import _create_run
from dagster._core.launcher import WorkerStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget

from neighborconnect.settings import Settings
from pipelines.bootstrap.runner import DAGSTER_HOME
from pipelines.privacy import jobs
from pipelines.run_control import (
    BATCH,
    DATA_EXPORTS,
    ERASURE,
    PROCESS,
    SLOT,
    HealthCheckingRunLauncher,
    tags_of_this_process,
)
from tests.pipelines.conftest import free_port

# Bounds on waiting, for a machine that is shared; what is waited for is an event.
BOUND_SECONDS = 240
LOCATION = Path(__file__).with_name("location.py")
FAILED, STARTED, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS


class Orchestrator:
    """An instance on PostgreSQL as ``dagster.yaml`` says, a daemon, and a code server that a test may kill."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.environment = environment
        self._folder = folder
        workspace = folder / "workspace.yaml"
        address = {"host": "127.0.0.1", "port": self.port, "location_name": "test"}
        workspace.write_text(json.dumps({"load_from": [{"grpc_server": address}]}))
        self.code_server = self.start_code_server()
        self.instance = dg.DagsterInstance.get()
        self._context = self._connect()
        self.daemon = self._start("daemon", "-m", "dagster._daemon", "run", "-w", str(workspace))

    def start_code_server(self) -> subprocess.Popen[bytes]:
        address = ("-h", "127.0.0.1", "-p", str(self.port))
        return self._start("code", "-m", "dagster", "api", "grpc", "-f", str(LOCATION), *address)

    def submit(self, job: str) -> str:
        """Queue a run as a schedule or the web server does."""
        request = self._context.create_request_context()
        location = request.get_code_location("test")
        repository = location.get_repository("__repository__")
        remote = repository.get_full_job(job)
        run = _create_run(self.instance, location, repository, remote, {}, None, None, None)
        self.instance.submit_run(run.run_id, request)
        return run.run_id

    def wait_for(self, happened: Callable[[], object]) -> None:
        deadline = time.monotonic() + BOUND_SECONDS
        while not happened():
            assert time.monotonic() < deadline, self.logs()
            assert self.daemon.poll() is None, self.logs()
            time.sleep(0.2)

    def status(self, run_id: str) -> dg.DagsterRunStatus | None:
        run = self.instance.get_run_by_id(run_id)
        return run.status if run else None

    def logs(self) -> str:
        return "\n".join(path.read_text()[-4_000:] for path in sorted(self._folder.glob("*.log")))

    def close(self) -> None:
        self._context.__exit__(None, None, None)
        self.instance.dispose()
        for process in (self.daemon, self.code_server):
            for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else ():
                child.kill()
            process.kill()
            process.wait()

    def _connect(self) -> WorkspaceProcessContext:
        deadline = time.monotonic() + BOUND_SECONDS
        # It listens once it has loaded the location.
        while not self._listens():
            assert self.code_server.poll() is None, self.logs()
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.2)
        target = GrpcServerTarget(host="127.0.0.1", port=self.port, socket=None, location_name="test")
        return WorkspaceProcessContext(self.instance, target).__enter__()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen([sys.executable, *arguments], env=self.environment, stdout=log, stderr=log)


@pytest.fixture
def orchestrator(
    tracked: Settings, postgres_admin_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Orchestrator]:
    database = f"dagster_{uuid4().hex[:8]}"
    own = {
        "DAGSTER_HOME": str(DAGSTER_HOME),
        "DAGSTER_DATA_DIR": str(tmp_path),
        "DAGSTER_DATABASE_URL": postgres_admin_url.rpartition("/")[0] + f"/{database}",
        "MLFLOW_TRACKING_URI": tracked.mlflow_tracking_uri,
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f"create database {database}".encode())
        started = Orchestrator(tmp_path, dict(os.environ))
        try:
            yield started
        finally:
            started.close()
            admin.execute(f"drop database {database} with (force)".encode())


def test_a_killed_training_fails_and_frees_its_slot(orchestrator: Orchestrator, tracked: Settings) -> None:
    training = orchestrator.submit("hang")
    orchestrator.wait_for(lambda: open_mlflow_runs(tracked))
    assert orchestrator.status(training) is STARTED

    # While it runs, an erasure does not wait for it; another batch does.
    waits, erasure = orchestrator.submit("hang"), orchestrator.submit("erase_people")
    orchestrator.wait_for(lambda: orchestrator.status(erasure) is SUCCESS)
    assert orchestrator.status(waits) is dg.DagsterRunStatus.QUEUED

    left = psutil.Process(orchestrator.code_server.pid).children(recursive=True)
    orchestrator.code_server.send_signal(signal.SIGKILL)
    orchestrator.code_server.wait()
    [mlflow_run] = open_mlflow_runs(tracked)
    orchestrator.code_server = orchestrator.start_code_server()

    orchestrator.wait_for(lambda: orchestrator.status(training) is FAILED)
    # The run's own process does not outlive the code server, so nothing writes twice.
    _gone, alive = psutil.wait_procs(left, timeout=BOUND_SECONDS)
    assert not alive
    orchestrator.wait_for(lambda: orchestrator.status(waits) is STARTED)
    orchestrator.wait_for(lambda: status_in_mlflow(tracked, mlflow_run) == "KILLED")


def open_mlflow_runs(settings: Settings) -> list[str]:
    client = mlflow.MlflowClient(settings.mlflow_tracking_uri)
    experiment = client.get_experiment_by_name("hangs")
    if experiment is None:
        return []
    found = client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'")
    return [run.info.run_id for run in found]


def status_in_mlflow(settings: Settings, run_id: str) -> str:
    return str(mlflow.MlflowClient(settings.mlflow_tracking_uri).get_run(run_id).info.status)


def test_a_run_without_a_code_server_dies_with_its_process() -> None:
    launcher = HealthCheckingRunLauncher()
    run = dg.DagsterRun(job_name="bootstrap", tags=tags_of_this_process())
    assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mark = json.loads(run.tags[PROCESS]) | {"pid": ended.pid}
    run = dg.DagsterRun(job_name="bootstrap", tags={PROCESS: json.dumps(mark)})
    assert launcher.check_run_worker_health(run).status is WorkerStatus.NOT_FOUND


def test_privacy_jobs_have_slots_of_their_own() -> None:
    assert {job.tags[SLOT] for job in (jobs.erase_users, jobs.complete_data_exports)} == {ERASURE, DATA_EXPORTS}
    assert BATCH not in {ERASURE, DATA_EXPORTS}
