"""``python -m benchmarks starts``: how long a new process takes to import what it runs. Needs nothing that runs.

The peers are a Python that keeps nothing of what it compiles, as with ``PYTHONDONTWRITEBYTECODE`` where packages came
uncompiled, and ``import feast`` as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from statistics import median

from benchmarks.report import Row
from neighborconnect.settings import Settings

ROUNDS = 3
MODULES = ("transactional_api.app", "pipelines.definitions", "bentos.content.service")
_DOOR, _FEAST = "feature_repo.vendor_patches", "feast"


def run(settings: Settings) -> list[Row]:
    """Import each module in processes of its own, ours and the peer's in turns."""
    del settings
    note = f"median of {ROUNDS} in turns; peer: nothing compiled is kept"
    with tempfile.TemporaryDirectory() as empty:
        forgetful = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": empty}
        rows = [_compare(module, module, forgetful, measure=module, note=note) for module in MODULES]
    note = f"median of {ROUNDS} in turns; peer: `import feast`"
    return [*rows, _compare(_DOOR, _FEAST, {}, measure="Feast, by our door", note=note)]


def _compare(ours: str, peer: str, environment: dict[str, str], *, measure: str, note: str) -> Row:
    _seconds(ours, {})  # Compiled modules are cached from here on.
    _seconds(peer, environment)
    turns = [(_seconds(ours, {}), _seconds(peer, environment)) for _ in range(ROUNDS)]
    our_seconds, peer_seconds = (median(each) for each in zip(*turns, strict=True))
    return Row.compare(f"import {measure}", ours=our_seconds, peer=peer_seconds, unit="s", note=note)


def _seconds(module: str, environment: dict[str, str]) -> float:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", f"import {module}"]
    began = time.perf_counter()
    subprocess.run(command, env=inherited | environment, check=True, capture_output=True)
    return time.perf_counter() - began
