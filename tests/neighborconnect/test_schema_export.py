"""The exported schemas are those of the registry, and incompatible changes of it are refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from neighborconnect.contracts import schema_export
from neighborconnect.contracts.topics import STREAM_BY_TABLE
from neighborconnect.contracts_cli import app
from tests.pipelines.ingest.events import interaction, row_change

POSTS = "neighborconnect.public.posts.json"


def test_committed_schemas_equal_the_registry_and_are_compatible() -> None:
    committed = schema_export.read_exported()
    current = {name: json.loads(text) for name, text in schema_export.exported_files().items()}
    assert schema_export.find_incompatible_changes(committed, current) == []
    assert schema_export.outdated_files() == [], "run neighborconnect contracts export"


def _column(documents: dict[str, Any]) -> dict[str, Any]:
    columns: dict[str, Any] = documents[POSTS]["$defs"]["row"]["properties"]
    return columns


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        (lambda new: new.pop(POSTS), "topic neighborconnect.public.posts is removed"),
        (lambda new: _column(new).pop("title"), "column title of posts is removed"),
        (
            lambda new: _column(new)["likes_count"].update({"x-column-type": "text"}),
            "column likes_count of posts changes its type from integer to text",
        ),
        (lambda new: new[POSTS].update({"x-event-time": "updated_at"}), "the event time of posts changes"),
    ],
)
def test_an_incompatible_change_is_reported(change: Callable[[dict[str, Any]], object], reported: str) -> None:
    old = schema_export.read_exported()
    new = copy.deepcopy(old)
    change(new)
    assert schema_export.find_incompatible_changes(old, new) == [reported]
    new[schema_export.REGISTRY_FILE]["version"] = "1000.0"
    assert schema_export.find_incompatible_changes(old, new) == []


def test_an_added_column_is_compatible() -> None:
    old = schema_export.read_exported()
    new = copy.deepcopy(old)
    _column(new)["language"] = {"type": ["string", "null"], "x-column-type": "text"}
    assert schema_export.find_incompatible_changes(old, new) == []


def test_an_incompatible_change_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    run = CliRunner()
    assert run.invoke(app, ["export", "--folder", str(tmp_path)]).exit_code == 0
    assert run.invoke(app, ["export", "--folder", str(tmp_path), "--check"]).exit_code == 0
    posts = json.loads((tmp_path / POSTS).read_text())
    posts["$defs"]["row"]["properties"]["mood"] = {"type": "string", "x-column-type": "text"}
    (tmp_path / POSTS).write_text(json.dumps(posts))
    refused = run.invoke(app, ["export", "--folder", str(tmp_path)])
    assert refused.exit_code == 1
    assert "column mood of posts is removed" in " ".join(refused.output.split())
    assert json.loads((tmp_path / POSTS).read_text()) == posts
    assert run.invoke(app, ["export", "--folder", str(tmp_path), "--check"]).exit_code == 1


def test_messages_are_valid_against_their_schema() -> None:
    schemas = schema_export.read_exported()
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    behavior = jsonschema.Draft202012Validator(schemas["behaviour.interactions.json"])
    behavior.validate(json.loads(interaction(1).value or b""))
    row = schemas[POSTS]["$defs"]["row"]
    validator = jsonschema.Draft202012Validator(row)
    image = {"id": "00000000-0000-0000-0000-000000000001", "content": "Seeds", "title": None, "likes_count": 3}
    validator.validate(json.loads(row_change(STREAM_BY_TABLE["posts"], 1, image=image).value or b"")["after"])
    assert not validator.is_valid(image | {"likes_count": "3"})
