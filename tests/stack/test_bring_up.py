"""``up`` is done once at a time: what a killed one left running is waited for, not begun again beside it."""

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

from neighborconnect.stack.bring_up import alone, run
from neighborconnect.stack.errors import StackError
from neighborconnect.stack.layout import Stack, open_stack

# ``timeit`` is a module of Python's own that can be told to sleep.
STEP = ("timeit", "-n1", "-r1", "__import__('time').sleep(600)")
UP = """
import sys
from rich.console import Console
from neighborconnect.stack.bring_up import alone, run
from neighborconnect.stack.layout import open_stack
stack = open_stack()
with alone(stack, console=Console()) as lock:
    run(stack, lock, *sys.argv[1:])
"""


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setenv("NEIGHBORCONNECT_HOME", str(tmp_path))
    return open_stack()


@pytest.fixture
def at_work(stack: Stack) -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """An ``up`` in the middle of a step, and the step."""
    up = subprocess.Popen([sys.executable, "-c", UP, *STEP])
    while not (steps := psutil.Process(up.pid).children()):
        time.sleep(0.05)
    while "process" not in (stack.run / "up.lock").read_text():
        time.sleep(0.05)
    yield up, steps[0]
    for process in (steps[0], up):
        process.kill()
    up.wait()


def test_a_step_that_outlives_its_up_is_waited_for(
    stack: Stack, at_work: tuple[subprocess.Popen[bytes], psutil.Process]
) -> None:
    up, step = at_work
    up.kill()
    up.wait()
    told, begun = io.StringIO(), Event()

    def second() -> None:
        with alone(stack, console=Console(file=told, width=500)):
            begun.set()

    waiting = Thread(target=second)
    waiting.start()
    while "Waiting" not in told.getvalue():
        time.sleep(0.05)
    assert step.is_running()
    assert not begun.is_set()
    assert f"`python -m {' '.join(STEP)}`, process {step.pid}" in told.getvalue()
    step.kill()
    waiting.join()
    assert begun.is_set()


def test_a_step_that_fails_is_named_and_lets_the_next_begin(stack: Stack) -> None:
    for _ in range(2):
        with (
            alone(stack, console=Console()) as lock,
            pytest.raises(StackError, match="`python -m timeit nonsense` ended"),
        ):
            run(stack, lock, "timeit", "nonsense", log="nonsense")
    assert "nonsense" in (stack.logs / "nonsense.log").read_text()
