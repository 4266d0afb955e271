"""``implicit``, whose wheel for Linux expects OpenMP of the machine: a bare one has none, and torch brings it along.

Everything here imports ``implicit`` through this module.
"""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path

_RUNTIME = "libgomp.so.1"


def _load_openmp() -> None:
    """Load the runtime, so that what is linked against it finds it; without importing torch, which takes seconds."""
    try:
        ctypes.CDLL(_RUNTIME, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        torch = find_spec("torch")
        if torch is None or torch.origin is None:
            raise
        ctypes.CDLL(str(Path(torch.origin).parent / "lib" / _RUNTIME), mode=ctypes.RTLD_GLOBAL)


if sys.platform == "linux":
    _load_openmp()

from implicit.als import AlternatingLeastSquares  # noqa: E402 (only now can it be loaded)

__all__ = ["AlternatingLeastSquares"]
