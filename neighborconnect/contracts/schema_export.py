"""JSON Schemas of the messages on Kafka, and what an incompatible change of the registry is.

``neighborconnect contracts export`` writes them to ``neighborconnect/contracts/schemas/``: one file per topic, and
``registry.json`` with the version. A change is incompatible if a reader of the previous version could fail or lose
data; it needs a higher major version of ``REGISTRY_VERSION``. Added tables and columns need no new major version,
because readers keep values that they do not know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from neighborconnect.contracts.columns import Column, ColumnType
from neighborconnect.contracts.events import ChangeEvent
from neighborconnect.contracts.tables import CAPTURED, NOT_CAPTURED, REGISTRY_VERSION
from neighborconnect.contracts.topics import STREAMS, Stream

SCHEMAS_DIR: Final = Path(__file__).resolve().parent / "schemas"
REGISTRY_FILE: Final = "registry.json"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TYPES: Final[dict[ColumnType, dict[str, Any]]] = {
    ColumnType.UUID: {"type": "string", "format": "uuid"},
    ColumnType.TEXT: {"type": "string"},
    ColumnType.INTEGER: {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    ColumnType.BIGINT: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    ColumnType.DECIMAL: {"type": "number"},
    ColumnType.BOOLEAN: {"type": "boolean"},
    ColumnType.TIMESTAMP: {"type": "string", "format": "date-time"},
    ColumnType.JSON: {},
    ColumnType.FLOAT: {"type": "number"},
}


class IncompatibleChangeError(ValueError):
    """The registry differs from the exported schemas in a way that readers of those cannot handle."""

    def __init__(self, changes: list[str]) -> None:
        self.changes = changes
        super().__init__(
            f"Readers of the exported schemas could not handle this: {'; '.join(changes)}. Add a new column or table "
            "instead, or raise the major version of REGISTRY_VERSION. Nothing was written."
        )


def exported_files() -> dict[str, str]:
    """Return the text of each file of the export by its name."""
    registry = {
        "version": REGISTRY_VERSION,
        "topics": {stream.topic: f"{stream.topic}.json" for stream in STREAMS},
        "captured": sorted(table.name for table in CAPTURED),
        "not_captured": dict(sorted(NOT_CAPTURED.items())),
    }
    documents = {REGISTRY_FILE: registry} | {f"{stream.topic}.json": _schema(stream) for stream in STREAMS}
    return {name: json.dumps(document, indent=2) + "\n" for name, document in documents.items()}


def outdated_files(folder: Path = SCHEMAS_DIR) -> list[str]:
    """Return the names of files in ``folder`` that are missing, differ from the export, or are no part of it."""
    files = exported_files()
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))


def export(folder: Path = SCHEMAS_DIR) -> list[str]:
    """Write the files to ``folder`` and return the names of those that changed.

    Raises:
        IncompatibleChangeError: if the registry is incompatible with the files in ``folder``.
    """
    if changes := find_incompatible_changes(read_exported(folder), _parse(exported_files())):
        raise IncompatibleChangeError(changes)
    files, outdated = exported_files(), outdated_files(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in outdated:
        if name in files:
            (folder / name).write_text(files[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return outdated


def read_exported(folder: Path = SCHEMAS_DIR) -> dict[str, Any]:
    """Return the documents in ``folder`` by file name."""
    return _parse({path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")})


def find_incompatible_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the incompatible changes between two exports; none if the major version was raised.

    ==================  ==============================================
    Change              Why readers fail
    ==================  ==============================================
    topic removed       they wait for events that never come
    column removed      its values become null
    type changed        they reject or misread the value
    event time changed  windows are computed over another time
    ==================  ==============================================
    """
    if REGISTRY_FILE not in old or _major(new) > _major(old):
        return []
    changes = [f"topic {topic} is removed" for topic in old[REGISTRY_FILE]["topics"] if f"{topic}.json" not in new]
    for name in sorted(old.keys() & new.keys() - {REGISTRY_FILE}):
        before, after = old[name], new[name]
        old_columns, new_columns = before["$defs"]["row"]["properties"], after["$defs"]["row"]["properties"]
        for column, kind in old_columns.items():
            if column not in new_columns:
                changes.append(f"column {column} of {before['title']} is removed")
            elif kind["x-column-type"] != new_columns[column]["x-column-type"]:
                changes.append(
                    f"column {column} of {before['title']} changes its type from {kind['x-column-type']} "
                    f"to {new_columns[column]['x-column-type']}"
                )
        if before["x-event-time"] != after["x-event-time"]:
            changes.append(f"the event time of {before['title']} changes")
    return changes


def _major(documents: Mapping[str, Any]) -> int:
    return int(documents[REGISTRY_FILE]["version"].partition(".")[0])


def _parse(files: Mapping[str, str]) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in files.items()}


def _schema(stream: Stream) -> dict[str, Any]:
    row = {"type": "object", "properties": {column.name: _property(column) for column in stream.columns}}
    head = {
        "$schema": _DIALECT,
        "$id": f"urn:neighborconnect:topic:{stream.topic}",
        "title": stream.table,
        "description": stream.description,
        "x-event-time": stream.event_time,
    }
    if not stream.is_change_stream:
        event = {"properties": {"event_id": {"type": "integer", "minimum": 1}}, "required": ["event_id"]}
        return head | {"$defs": {"row": row}, "allOf": [event, {"$ref": "#/$defs/row"}]}
    envelope = ChangeEvent.model_json_schema(by_alias=True)
    image = {"anyOf": [{"$ref": "#/$defs/row"}, {"type": "null"}]}
    envelope["properties"] |= {"before": image, "after": image}
    shared = {name: envelope[name] for name in ("type", "properties", "required")}
    return head | {"$defs": envelope["$defs"] | {"row": row}} | shared


def _property(column: Column) -> dict[str, Any]:
    kind = dict(_TYPES[column.type])
    if "type" in kind and column.name != "id":
        kind["type"] = [kind["type"], "null"]
    personal = {"x-consumers": list(column.consumers)} if column.consumers else {}
    return {
        "description": column.description,
        **kind,
        "x-column-type": column.type.value,
        "x-privacy": column.privacy.value,
        **personal,
    }
