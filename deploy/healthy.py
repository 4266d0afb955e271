"""Health of one process of ours, for a container: ``healthy.py URL`` or ``healthy.py WORKER...``; exit code 0 is well.

A URL is one of HTTP, or ``unix:///PATH`` of a socket that need only listen. Of several workers one must be well. With
``--alive`` a recent report suffices: a worker that waits for its store need not be restarted.
"""  # noqa: INP001 (a script)

import socket
import sys
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from neighborconnect.contracts.health import read_health

_SECONDS = 5


def is_healthy(what: str, *, only_alive: bool = False) -> bool:
    """Ask a URL, or read the last health report of a worker."""
    if what.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_SECONDS)
            return probe.connect_ex(urlsplit(what).path) == 0
    if what.startswith("http://"):
        try:
            with urlopen(what, timeout=_SECONDS):  # noqa: S310 (the scheme is checked)
                return True
        except (URLError, TimeoutError):
            return False
    health = read_health(what)
    return health is not None and health.is_fresh and (health.ready or only_alive)


if __name__ == "__main__":
    only_alive = sys.argv[1] == "--alive"
    sys.exit(0 if any(is_healthy(what, only_alive=only_alive) for what in sys.argv[1 + only_alive :]) else 1)
