"""Only one ``up`` of a home runs at a time; a second one waits for the steps of a killed first one."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest
from rich.console import Console

from local_stack.bring_up import exclusive_lock, run_step
from local_stack.errors import StackError
from local_stack.stack import Stack, open_stack

# ``timeit`` is a module of the standard library that runs any statement.
STEP = ("timeit", "-n1", "-r1", "__import__('time').sleep(600)")
UP_STATES = """
import sys
from rich.console import Console
from local_stack.bring_up import exclusive_lock, run_step
from local_stack.stack import open_stack
stack = open_stack()
with exclusive_lock(stack, console=Console()) as lock:
    run_step(stack, lock, *sys.argv[1:])
"""


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setenv("NEIGHBORCONNECT_HOME", str(tmp_path))
    return open_stack()


@pytest.fixture
def running_up(stack: Stack) -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """A running ``up`` and its current step."""
    up = subprocess.Popen([sys.executable, "-c", UP_STATES, *STEP])
    while not (steps := psutil.Process(up.pid).children()):
        time.sleep(0.05)
    while "process" not in (stack.run / "up.lock").read_text():
        time.sleep(0.05)
    yield up, steps[0]
    for process in (steps[0], up):
        process.kill()
    up.wait()


def test_second_up_waits_for_the_step_of_a_killed_one(
    stack: Stack, running_up: tuple[subprocess.Popen[bytes], psutil.Process]
) -> None:
    up, step = running_up
    up.kill()
    up.wait()
    output, started = io.StringIO(), Event()

    def second() -> None:
        with exclusive_lock(stack, console=Console(file=output, width=500)):
            started.set()

    waiting = Thread(target=second)
    waiting.start()
    while "Waiting" not in output.getvalue():
        time.sleep(0.05)
    assert step.is_running()
    assert not started.is_set()
    assert f"`python -m {' '.join(STEP)}`, process {step.pid}" in output.getvalue()
    step.kill()
    waiting.join()
    assert started.is_set()


def test_failed_step_is_named_and_releases_the_lock(stack: Stack) -> None:
    for _ in range(2):
        with (
            exclusive_lock(stack, console=Console()) as lock,
            pytest.raises(StackError, match="`python -m timeit nonsense` ended"),
        ):
            run_step(stack, lock, "timeit", "nonsense", log="nonsense")
    assert "nonsense" in (stack.logs / "nonsense.log").read_text()
