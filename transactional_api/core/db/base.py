"""Declarative base of all tables, with a naming convention for constraints that migrations can rely on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from sqlalchemy import DateTime, Index, MetaData, String, Text, func, text
from sqlalchemy import Uuid as SqlUuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables of the product database."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True), UUID: SqlUuid(), str: Text()}


RowId = Annotated[UUID, mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))]
CreatedAt = Annotated[datetime, mapped_column(server_default=func.now())]
UpdatedAt = Annotated[datetime, mapped_column(server_default=func.now())]
"""Time of the last edit by a user; counters do not change it."""
Active = Annotated[bool, mapped_column(server_default=text("true"))]
"""False after a soft delete: the row is hidden and its history stays."""
Counter = Annotated[int, mapped_column(server_default=text("0"))]
Str50 = Annotated[str, mapped_column(String(50))]
Str200 = Annotated[str, mapped_column(String(200))]
Url = Annotated[str, mapped_column(String(500))]
MediaIds = Annotated[list[str], mapped_column(JSONB, server_default=text("'[]'"))]
"""Ids of uploads in the order in which they are shown. Links are signed when they are read, and never stored."""


def media_index(table: str) -> Index:
    """Return the index on ``media_ids`` of a table, which serves the removal of deleted uploads."""
    return Index(
        f"ix_{table}_media_ids",
        "media_ids",
        postgresql_using="gin",
        postgresql_ops={"media_ids": "jsonb_path_ops"},
        postgresql_where=text("media_ids <> '[]'::jsonb"),
    )
