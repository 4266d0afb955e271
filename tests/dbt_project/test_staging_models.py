"""The staging models and sources are those of the contracts."""

from __future__ import annotations

import re

from neighborconnect.contracts.tables import CAPTURED
from pipelines.warehouse.dbt import PROJECT_DIR
from pipelines.warehouse.staging_models import STAGING_DIR, outdated_files


def test_generated_files_are_those_of_the_contracts() -> None:
    assert outdated_files() == [], "run python -m pipelines.warehouse.staging_models"


def test_who_blocked_whom_is_in_no_staging_model() -> None:
    for table in CAPTURED:
        text = (STAGING_DIR / f"stg_{table.name}.sql").read_text()
        selected = set(re.findall(r"\w+", text.partition("\nselect\n")[2]))
        assert selected.isdisjoint(column.name for column in table.columns if not column.is_for("marts")), table.name


def test_other_models_read_no_source_that_marts_may_not_read() -> None:
    restricted = {table.name for table in CAPTURED if any(not c.is_for("marts") for c in table.published)}
    assert "blocks" in restricted
    for path in (PROJECT_DIR / "models").rglob("*.sql"):
        if path.parent != STAGING_DIR:
            read = re.findall(r"source\(\s*'raw',\s*'(\w+)'", path.read_text())
            assert restricted.isdisjoint(set(read)), path.name
