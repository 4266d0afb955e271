"""The page "Events and Kafka topics": tables, columns, privacy classes, and schemas of events."""

from __future__ import annotations

import importlib
import inspect
import re
from enum import Enum
from typing import Any

from tools.reference.page import Page, first_sentence, table


def events_page() -> Page:
    """Return the page of Kafka topics, their tables, columns and privacy classes, and the events' schemas."""
    topics = importlib.import_module("neighborconnect.contracts.topics")
    events = importlib.import_module("neighborconnect.contracts.events")
    page = Page(
        "events",
        "Events and Kafka topics",
        "Producers deliver at least once and in commit order per row; sinks store each event exactly once. Columns of "
        "class `personal` leave PostgreSQL only for the consumers that are named; `secret` columns never leave.",
    )
    rows = [
        (
            f"`{stream.topic}`",
            "change events (Debezium envelope)" if stream.is_change_stream else "events",
            f"`events/{stream.table}`",
            f"`raw.{stream.table}`",
        )
        for stream in topics.STREAMS
    ]
    rows.append((f"`{topics.DEAD_LETTER_TOPIC}`", "records that a sink refused", "-", "-"))
    page.sections.append(("Topics", table(("Topic", "Holds", "Lake table", "Warehouse table"), rows)))
    for stream in topics.STREAMS:
        columns = [
            (
                f"`{column.name}`",
                column.type.value,
                column.privacy.value,
                ", ".join(column.consumers) or "-",
                column.description,
            )
            for column in stream.columns
        ]
        head = ("Column", "Type", "Class", "Consumers", "Meaning")
        page.sections.append((stream.topic, f"{stream.description}\n\n{table(head, columns)}"))
    for name, kind in sorted(vars(events).items()):
        if not inspect.isclass(kind) or kind.__module__ != events.__name__:
            continue
        if not (text := first_sentence(kind.__doc__)):
            page.problems.append(f"event schema {name} has no docstring")
        if issubclass(kind, Enum):
            body = ", ".join(f"`{member.value}`" for member in kind)
        else:
            fields = ((f"`{f}`", f"`{_type_name(info.annotation)}`") for f, info in kind.model_fields.items())  # type: ignore[attr-defined]
            body = table(("Field", "Type"), fields)
        page.sections.append((f"Schema {name}", f"{text}\n\n{body}"))
    return page


def _type_name(annotation: Any) -> str:
    plain = annotation.__name__ if inspect.isclass(annotation) and not hasattr(annotation, "__args__") else annotation
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", str(plain))
