"""``python -m benchmarks``: every measurement, one after the other, against a running platform.

``--own-servers`` needs no platform: it starts the servers that some of the benchmarks need, with a small town.
"""

from __future__ import annotations

import argparse
import os
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module

from rich.console import Console

from benchmarks.report import show
from neighborconnect.settings import Settings, SettingsError, get_settings
from neighborconnect.telemetry import configure_logging

BENCHMARKS = (
    "starts",
    "relay",
    "capture",
    "latency",
    "ingest",
    "features",
    "training_sets",
    "recommendation",
    "content",
    "matching",
    "images",
    "video",
    "reads",
    "tracing",
    "search",
    "chat",
    "fan_out",
)
# They need PostgreSQL, Valkey and the object store, and start an API of their own.
ON_OWN_SERVERS = ("reads", "tracing")


def _own_servers() -> AbstractContextManager[Settings]:
    servers: AbstractContextManager[Settings] = import_module("benchmarks.own_servers").own_servers()
    return servers


def main() -> None:
    """Run the named benchmarks, or all of them, and print one table each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    known = ", ".join(BENCHMARKS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {known}; all when none is named")
    parser.add_argument(
        "--own-servers",
        action="store_true",
        help=f"measure on servers that are started for it, with a small town ({', '.join(ON_OWN_SERVERS)})",
    )
    options = parser.parse_args()
    possible = ON_OWN_SERVERS if options.own_servers else BENCHMARKS
    names = options.names or possible
    if unknown := set(names) - set(possible):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; choose from {', '.join(possible)}")
    configure_logging("benchmarks", level="WARNING", log_format="console")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # As the services have it; nothing has loaded it yet.
    console = Console()
    try:
        with _own_servers() if options.own_servers else nullcontext(get_settings()) as settings:
            for name in names:
                with console.status(f"measuring {name}"):
                    rows = import_module(f"benchmarks.{name}").run(settings)
                show(name, rows, console=console)
    except SettingsError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
