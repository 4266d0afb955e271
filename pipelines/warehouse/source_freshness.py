"""Freshness of the sources of dbt: age of the newest row of tables that get rows every day."""

from __future__ import annotations

import json
from typing import Final

from neighborconnect.settings import Settings
from pipelines.warehouse import dbt

DAILY_TABLES: Final = ("interactions", "predictions")
"""Tables that get rows on each day that the platform is used."""


def stale_sources(settings: Settings) -> dict[str, str]:
    """Run ``dbt source freshness`` and return the capture time of the newest row of each stale table.

    Raises:
        DbtError: if a table cannot be read, or is older than an error threshold.
    """
    selection = [f"source:raw.{table}" for table in DAILY_TABLES]
    dbt.run(settings, arguments=["source", "freshness", "--select", *selection])
    results = json.loads((dbt.target_dir() / "sources.json").read_text(encoding="utf-8"))["results"]
    return {
        str(result["unique_id"]).rpartition(".")[2]: str(result["max_loaded_at"])
        for result in results
        if result["status"] != "pass"
    }
