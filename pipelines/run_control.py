"""The run coordinator and the run launcher of ``dagster.yaml``: run slots and detection of dead runs.

A run occupies the slot of its tag ``neighborconnect/slot``, or ``batch`` without a tag; a slot holds one run at a time.
Erasures, data exports and the restore of the online store have slots of their own, so that no training delays them.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from functools import cache
from multiprocessing import connection as process_connection
from multiprocessing import parent_process
from typing import Any, Final

import dagster as dg
import psutil
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

SLOT: Final = "neighborconnect/slot"
BATCH, ERASURE, DATA_EXPORTS, SERVING = "batch", "erasure", "data_exports", "serving"
EXPERIMENTS: Final = "experiments"
PROCESS: Final = "neighborconnect/process"
"""Tag of a run without a code server: host, process id and start time of the run's process."""
NETWORK_RETRY: Final = dg.RetryPolicy(
    max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
"""Retries of a step, after about 10 and 30 seconds, in jobs that read and write other servers.

Trainings have none: a run that failed is repeated once, by ``dagster.yaml``."""
UNREACHABLE_SECONDS: Final = 25.0
"""The runs of a code server that does not respond for this long are failed. A restarted one reports it at once."""
_TIMEOUT_SECONDS: Final = 5
_PARENT_DIED: Final = 70


class SlotRunCoordinator(QueuedRunCoordinator):
    """Run queue that assigns a slot to every run."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Queue a run, in slot ``batch`` unless its tags name another."""
        run = context.dagster_run
        if SLOT not in run.tags:
            self._instance.add_run_tags(run.run_id, {SLOT: BATCH})
        return super().submit_run(context)


class HealthCheckingRunLauncher(DefaultRunLauncher):
    """The default launcher with a health check of the run's process.

    Run monitoring calls it at each poll and marks a run without a process as failed.
    """

    def __init__(self, inst_data: Any = None) -> None:
        """Initialize without unreachable code servers."""
        super().__init__(inst_data)
        self._unreachable_since: dict[str, float] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether run monitoring may call ``check_run_worker_health``."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return whether the process of a started run is alive."""
        if GRPC_INFO_TAG in run.tags:
            return self._check_code_server(run)
        if PROCESS in run.tags:
            return _check_process(json.loads(run.tags[PROCESS]))
        return CheckRunHealthResult(WorkerStatus.UNKNOWN, "The run has no tag of a code server or a process.")

    def _check_code_server(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        address = json.loads(run.tags[GRPC_INFO_TAG])
        client = DagsterGrpcClient(
            host=address["host"],
            port=address.get("port"),
            socket=address.get("socket"),
            use_ssl=bool(address.get("use_ssl")),
        )
        try:
            response = client.can_cancel_execution(
                CanCancelExecutionRequest(run_id=run.run_id), timeout=_TIMEOUT_SECONDS
            )
        except DagsterUserCodeUnreachableError:
            since = self._unreachable_since.setdefault(run.run_id, time.monotonic())
            if time.monotonic() - since < UNREACHABLE_SECONDS:
                return CheckRunHealthResult(
                    WorkerStatus.RUNNING, "The code server does not respond; the next poll retries."
                )
            self._unreachable_since.pop(run.run_id)
            return CheckRunHealthResult(WorkerStatus.FAILED, "The code server of the run does not respond any more.")
        self._unreachable_since.pop(run.run_id, None)
        if deserialize_value(response, CanCancelExecutionResult).can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, "The code server was restarted and has no process of the run."
        )


def tags_of_this_process() -> dict[str, str]:
    """Return the tags of a run that is executed in this process, by which the launcher checks its health."""
    process = psutil.Process()
    tag = {"host": socket.gethostname(), "pid": process.pid, "started": process.create_time()}
    return {SLOT: BATCH, PROCESS: json.dumps(tag)}


def _check_process(tag: dict[str, Any]) -> CheckRunHealthResult:
    if tag["host"] != socket.gethostname():
        return CheckRunHealthResult(WorkerStatus.RUNNING, "The process is on another host and cannot be checked.")
    try:
        is_same = psutil.Process(tag["pid"]).create_time() == tag["started"]
    except psutil.NoSuchProcess:
        is_same = False
    if is_same:
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"The process {tag['pid']} has ended.")


def has_unfinished_run(instance: dg.DagsterInstance, job_name: str) -> bool:
    """Return whether a run of the job is queued or in progress."""
    status = dg.DagsterRunStatus
    unfinished = [status.QUEUED, status.NOT_STARTED, status.STARTING, status.STARTED]
    return bool(instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=unfinished), limit=1))


@cache
def end_with_code_server() -> None:
    """End this process when its code server dies, because the run is then marked as failed and may be retried."""
    server = parent_process()
    if server is None:
        return

    def wait() -> None:
        process_connection.wait([server.sentinel])
        os._exit(_PARENT_DIED)

    threading.Thread(target=wait, name="end-with-code-server", daemon=True).start()
