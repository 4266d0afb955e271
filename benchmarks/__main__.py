"""``python -m benchmarks``: every measurement, one after the other, against a running platform."""

from __future__ import annotations

import argparse
import os
from importlib import import_module

from rich.console import Console

from benchmarks.report import show
from neighborconnect.settings import SettingsError, get_settings
from neighborconnect.telemetry import configure_logging

BENCHMARKS = (
    "starts",
    "relay",
    "capture",
    "latency",
    "ingest",
    "features",
    "recommendation",
    "content",
    "matching",
    "images",
    "video",
    "reads",
    "search",
    "chat",
    "fan_out",
)


def main() -> None:
    """Run the named benchmarks, or all of them, and print one table each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    known = ", ".join(BENCHMARKS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {known}; all when none is named")
    names = parser.parse_args().names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; choose from {known}")
    configure_logging("benchmarks", level="WARNING", log_format="console")
    try:
        settings = get_settings()
    except SettingsError as error:
        parser.error(str(error))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # As the services have it; nothing has loaded it yet.
    console = Console()
    for name in names:
        with console.status(f"measuring {name}"):
            rows = import_module(f"benchmarks.{name}").run(settings)
        show(name, rows, console=console)


if __name__ == "__main__":
    main()
