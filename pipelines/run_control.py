"""How Dagster starts runs and decides that one is dead: the run coordinator and the launcher of ``dagster.yaml``.

A run takes the slot that its tag ``neighborconnect/slot`` names, one run a slot; without a tag it takes ``batch``.
Erasures, copies of data and the restoring of the online store have slots of their own, so that no training delays them.
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
BATCH, ERASURE, COPIES, SERVING = "batch", "erasure", "copies", "serving"
PROCESS: Final = "neighborconnect/process"
"""Tag of a run that was started without a code server: host, process id and start time of its process."""
UNREACHABLE_SECONDS: Final = 25.0
"""A code server that does not answer for this long has lost its runs. One that was restarted says so at once."""
_ANSWER_SECONDS: Final = 5
_PARENT_DIED: Final = 70


class SlotRunCoordinator(QueuedRunCoordinator):
    """A queue in which every run has a slot."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Queue a run, in the slot for batches unless it names another."""
        run = context.dagster_run
        if SLOT not in run.tags:
            self._instance.add_run_tags(run.run_id, {SLOT: BATCH})
        return super().submit_run(context)


class HealthCheckingRunLauncher(DefaultRunLauncher):
    """The default launcher, which also answers whether the process of a run still exists.

    Run monitoring asks it at each poll and marks a run without a process as failed.
    """

    def __init__(self, inst_data: Any = None) -> None:
        """Start with every code server reachable."""
        super().__init__(inst_data)
        self._unreachable_since: dict[str, float] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return whether the process of a started run is alive."""
        if GRPC_INFO_TAG in run.tags:
            return self._ask_code_server(run)
        if PROCESS in run.tags:
            return _check_process(json.loads(run.tags[PROCESS]))
        return CheckRunHealthResult(WorkerStatus.UNKNOWN, "The run names neither a code server nor a process.")

    def _ask_code_server(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        address = json.loads(run.tags[GRPC_INFO_TAG])
        client = DagsterGrpcClient(
            host=address["host"],
            port=address.get("port"),
            socket=address.get("socket"),
            use_ssl=bool(address.get("use_ssl")),
        )
        try:
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=_ANSWER_SECONDS)
        except DagsterUserCodeUnreachableError:
            since = self._unreachable_since.setdefault(run.run_id, time.monotonic())
            if time.monotonic() - since < UNREACHABLE_SECONDS:
                return CheckRunHealthResult(WorkerStatus.RUNNING, "The code server does not answer; asked again soon.")
            self._unreachable_since.pop(run.run_id)
            return CheckRunHealthResult(WorkerStatus.FAILED, "The code server that ran it does not answer any more.")
        self._unreachable_since.pop(run.run_id, None)
        if deserialize_value(answer, CanCancelExecutionResult).can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "The code server has no process for it; it was restarted.")


def tags_of_this_process() -> dict[str, str]:
    """Return the tags of a run that is executed in this process, so that its death is noticed."""
    process = psutil.Process()
    mark = {"host": socket.gethostname(), "pid": process.pid, "started": process.create_time()}
    return {SLOT: BATCH, PROCESS: json.dumps(mark)}


def _check_process(mark: dict[str, Any]) -> CheckRunHealthResult:
    if mark["host"] != socket.gethostname():
        return CheckRunHealthResult(WorkerStatus.RUNNING, "Its process is on another host and cannot be checked.")
    try:
        is_same = psutil.Process(mark["pid"]).create_time() == mark["started"]
    except psutil.NoSuchProcess:
        is_same = False
    if is_same:
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"Its process {mark['pid']} has ended.")


@cache
def end_with_code_server() -> None:
    """End this process when the code server that started it dies: its run is marked as failed, and may run again."""
    server = parent_process()
    if server is None:
        return

    def wait() -> None:
        process_connection.wait([server.sentinel])
        os._exit(_PARENT_DIED)

    threading.Thread(target=wait, name="end-with-code-server", daemon=True).start()
