"""Imports of third-party packages that need a workaround; import the names from here.

``implicit`` (github.com/benfred/implicit): its Linux wheel is linked against the system's ``libgomp.so.1`` and does not
bundle it, so the import fails on hosts without GCC's OpenMP runtime (the "undefined symbol: GOMP_parallel" reports are
issues 13 and 21). PyTorch's wheel bundles the library; it is loaded before ``implicit``, without importing ``torch``,
which takes seconds.

Remove when ``implicit`` publishes wheels that bundle the runtime, or when every deployment image installs libgomp.
"""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path

_OPENMP_RUNTIME = "libgomp.so.1"


def _load_openmp() -> None:
    """Load the OpenMP runtime into the process, so that the dynamic linker resolves it for ``implicit``."""
    try:
        ctypes.CDLL(_OPENMP_RUNTIME, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        torch = find_spec("torch")
        if torch is None or torch.origin is None:
            raise
        ctypes.CDLL(str(Path(torch.origin).parent / "lib" / _OPENMP_RUNTIME), mode=ctypes.RTLD_GLOBAL)


if sys.platform == "linux":
    _load_openmp()

from implicit.als import AlternatingLeastSquares  # noqa: E402 (needs the runtime)

__all__ = ["AlternatingLeastSquares"]
