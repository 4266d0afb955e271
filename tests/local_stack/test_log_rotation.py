"""Rotation of logs while processes write to them."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from local_stack.log_rotation import rotate
from local_stack.managed_process import spawn
from local_stack.service import Service

WRITER = "import itertools\nfor number in itertools.count(): print(f'{number:09d}', flush=True)"


def test_log_is_rotated_while_its_process_writes(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "writer.log"
    writer = Service(name="writer", title="Writer", command=(sys.executable, "-c", WRITER))
    child = spawn(writer, home=tmp_path, environment={})
    try:
        for _ in range(5):
            while log.stat().st_size <= 10_000:
                time.sleep(0.01)
            rotate(log, largest=10_000, copies=3)
        size = log.stat().st_size
        while log.stat().st_size <= size:
            time.sleep(0.01)
    finally:
        child.stop(stop_signal=signal.SIGKILL, seconds=1)
    names = sorted(path.name for path in log.parent.iterdir())
    assert names == ["writer.log", "writer.log.1", "writer.log.2", "writer.log.3"]
    # The process appends after the truncation instead of at the former end: there are no holes.
    assert all(b"\0" not in path.read_bytes() for path in log.parent.iterdir())


def test_a_small_log_stays(tmp_path: Path) -> None:
    log = tmp_path / "small.log"
    log.write_text("a line\n")
    rotate(log)
    assert [path.name for path in tmp_path.iterdir()] == ["small.log"]
