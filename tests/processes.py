"""Processes that tests start."""

from __future__ import annotations

import subprocess


def stop_process(process: subprocess.Popen[bytes], *, patience_seconds: float = 30) -> None:
    """Ask a process to end, and kill one that does not, so that no test waits for it without end."""
    process.terminate()
    try:
        process.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
