"""The configuration of Debezium publishes what the capture registry publishes, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from neighborconnect.contracts.tables import CAPTURED_TABLES

CONNECTOR = Path(__file__).parents[2] / "deploy" / "debezium" / "connector.json"


def test_debezium_publishes_the_registered_columns_and_topics() -> None:
    config = json.loads(CONNECTOR.read_text())["config"]
    assert config["table.include.list"].split(",") == [f"public.{table.name}" for table in CAPTURED_TABLES]
    assert config["column.include.list"].split(",") == [
        f"public.{table.name}.{column.name}" for table in CAPTURED_TABLES for column in table.published
    ]
    topics = {f"{config['topic.prefix']}.{name}" for name in config["table.include.list"].split(",")}
    assert topics == {table.topic for table in CAPTURED_TABLES}
