"""Memory of processes that answer while somebody waits."""

from __future__ import annotations

import gc

_THRESHOLDS = (20_000, 20, 20)
"""New objects between two looks at the youngest, and looks at a generation between two at the next older."""


def collect_rarely() -> None:
    """Make the garbage collector's pauses few; call it before serving.

    What is loaded now, and stays for good, gets out of its sight: a full collection that looks at all the modules,
    routes and schemas of a service holds every request up for a tenth of a second and more. What is new it looks at
    less often than Python would; a thousand open sockets take no more memory for it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
