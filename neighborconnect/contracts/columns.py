"""Columns and captured tables: types, privacy classes and descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CDC_TOPIC_PREFIX = "neighborconnect.public"


class Privacy(StrEnum):
    """Privacy class of a column: where it may be copied."""

    PUBLIC = "public"
    PERSONAL = "personal"
    SECRET = "secret"  # noqa: S105 (a class of data, not a password)


class ColumnType(StrEnum):
    """Column types of the warehouse and the lake; timestamps are UTC with microseconds."""

    UUID = "uuid"
    TEXT = "text"
    INTEGER = "integer"
    BIGINT = "bigint"
    DECIMAL = "numeric"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamptz"
    JSON = "jsonb"
    FLOAT = "double precision"


MARTS, RECOMMENDATION, MATCHING = "marts", "recommendation", "matching"
"""Consumers of personal columns: dbt models, and the model families of those names."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a captured table or of an event.

    Attributes:
        name: name in PostgreSQL, in messages, in the lake and in the warehouse.
        type: data type.
        privacy: privacy class.
        consumers: packages that may read the column if it is personal; it is not published without any.
        description: meaning, with the unit.
        references: table whose ``id`` the column holds.
        values: the only values that the column may have; empty for any.
        is_text: whether it is text that a user wrote, which an erasure removes.
    """

    name: str
    type: ColumnType
    privacy: Privacy = Privacy.PUBLIC
    consumers: tuple[str, ...] = ()
    description: str = ""
    references: str | None = None
    values: tuple[str, ...] = ()
    is_text: bool = False

    @property
    def leaves(self) -> bool:
        """Whether change capture publishes the column."""
        return self.privacy is Privacy.PUBLIC or (self.privacy is Privacy.PERSONAL and bool(self.consumers))

    def is_for(self, consumer: str) -> bool:
        """Return whether ``consumer`` may read the column."""
        return self.privacy is Privacy.PUBLIC or (self.privacy is Privacy.PERSONAL and consumer in self.consumers)


@dataclass(frozen=True, slots=True)
class CapturedTable:
    """A table whose every committed change reaches Kafka.

    Attributes:
        name: name of the table. The primary key, or a unique column, is ``id`` (uuid).
        columns: all columns.
        description: content of one row.
        event_time: column with the time of the act that a row records.
    """

    name: str
    columns: tuple[Column, ...]
    description: str = ""
    event_time: str = "created_at"

    @property
    def topic(self) -> str:
        """Kafka topic of the table's changes, named as by Debezium."""
        return f"{CDC_TOPIC_PREFIX}.{self.name}"

    @property
    def published(self) -> tuple[Column, ...]:
        """The published columns: ``id``, then the others in order."""
        leaving = [column for column in self.columns if column.leaves]
        return tuple(sorted(leaving, key=lambda column: column.name != "id"))


def public(
    name: str,
    kind: ColumnType,
    description: str,
    *,
    references: str | None = None,
    values: tuple[str, ...] = (),
    is_text: bool = False,
) -> Column:
    """Return a column that every consumer may read."""
    return Column(name, kind, description=description, references=references, values=values, is_text=is_text)


def personal(
    name: str,
    kind: ColumnType,
    description: str,
    *,
    consumers: tuple[str, ...],
    references: str | None = None,
) -> Column:
    """Return a column that only ``consumers`` may read."""
    return Column(name, kind, Privacy.PERSONAL, consumers, description, references)


def withheld(name: str, kind: ColumnType, *, references: str | None = None) -> Column:
    """Return a personal column that is not published."""
    return Column(name, kind, Privacy.PERSONAL, references=references)


def secret(name: str, kind: ColumnType) -> Column:
    """Return a column that never leaves PostgreSQL."""
    return Column(name, kind, Privacy.SECRET)


def row_id(of: str) -> Column:
    """Return the column ``id``."""
    return public("id", ColumnType.UUID, f"Id of the {of}.")


def time(name: str, description: str) -> Column:
    """Return a column with a time."""
    meaning, separator, remark = description.partition(";")
    return public(name, ColumnType.TIMESTAMP, f"{meaning} (UTC){separator}{remark}.")
