"""Logs stay small while their processes write them."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from neighborconnect.stack.child import spawn
from neighborconnect.stack.rotation import rotate
from neighborconnect.stack.service import Service

WRITER = "import itertools\nfor number in itertools.count(): print(f'{number:09d}', flush=True)"


def test_a_log_is_rotated_under_a_process_that_goes_on_writing(tmp_path: Path) -> None:
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
        child.stop(asking_with=signal.SIGKILL, seconds=1)
    names = sorted(path.name for path in log.parent.iterdir())
    assert names == ["writer.log", "writer.log.1", "writer.log.2", "writer.log.3"]
    # Appended to after the truncation, not at its former end: there are no holes.
    assert all(b"\0" not in path.read_bytes() for path in log.parent.iterdir())


def test_a_small_log_stays(tmp_path: Path) -> None:
    log = tmp_path / "small.log"
    log.write_text("a line\n")
    rotate(log)
    assert [path.name for path in tmp_path.iterdir()] == ["small.log"]
