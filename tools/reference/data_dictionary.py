"""The page "Data dictionary": tables and columns of the warehouse, read from dbt's YAML files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tools.reference.page import Page, cell, table
from tools.reference.repository import ROOT

DBT_PROJECT = ROOT / "dbt_project"
LAYERS = (
    ("marts", "models/marts", "models"),
    ("snapshots", "snapshots", "snapshots"),
    ("intermediate", "models/intermediate", "models"),
    ("staging", "models/staging", "models"),
)
"""Schema, folder and key of the YAML files; in the order of the page."""
WITH_OWNERS = ("marts", "snapshots")


def data_dictionary_page() -> Page:
    """Return the page of the tables that dbt builds: description, owner, grain and columns."""
    page = Page(
        "data-dictionary",
        "Data dictionary",
        "Tables of the warehouse, which dbt builds every hour from `dbt_project/`. Times are UTC. A mart has an "
        "enforced contract: a build fails if a column or a type differs. The descriptions are comments in PostgreSQL "
        "as well (`\\d+ marts.fct_activity` in psql). "
        "[Events and Kafka topics](events.md) has the columns of schema `raw`.",
    )
    for schema, folder, key in LAYERS:
        for model in _models(DBT_PROJECT / folder, key):
            page.problems += _problems(schema, model)
            page.sections.append((f"{schema}.{model['name']}", _section(schema, model)))
    return page


def _models(folder: Path, key: str) -> Iterator[dict[str, Any]]:
    models = (
        model
        for path in sorted(folder.glob("*.yml"))
        for model in yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader).get(key, [])
    )
    yield from sorted(models, key=lambda model: str(model["name"]))


def _problems(schema: str, model: dict[str, Any]) -> list[str]:
    missing = [f"column {column['name']}" for column in model["columns"] if not column.get("description")]
    if not model.get("description"):
        missing.insert(0, "the table")
    problems = [f"{schema}.{model['name']}: {name} has no description" for name in missing]
    if schema in WITH_OWNERS:
        meta = model.get("config", {}).get("meta", {})
        problems += [f"{schema}.{model['name']} has no {name}" for name in ("owner", "grain") if not meta.get(name)]
    return problems


def _section(schema: str, model: dict[str, Any]) -> str:
    text = [cell(model.get("description", ""))]
    if schema in WITH_OWNERS:
        meta = model.get("config", {}).get("meta", {})
        text.append(f"Grain: {cell(meta.get('grain', ''))}. Owner: {cell(meta.get('owner', ''))}.")
    columns = model["columns"]
    rows = (
        (f"`{column['name']}`", column.get("data_type", ""), column.get("description", ""), ", ".join(_tests(column)))
        for column in columns
    )
    if schema in WITH_OWNERS:
        text.append(table(("Column", "Type", "Meaning", "dbt tests"), rows))
    else:
        text.append(
            table(("Column", "Meaning", "dbt tests"), ((name, meaning, tests) for name, _, meaning, tests in rows))
        )
    return "\n\n".join(text)


def _tests(column: dict[str, Any]) -> list[str]:
    return [test if isinstance(test, str) else next(iter(test)) for test in column.get("data_tests", [])]
