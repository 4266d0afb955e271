"""The declarative base of every table, with names for constraints that a later migration can rely on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from sqlalchemy import DateTime, MetaData, String, Text, func, text
from sqlalchemy import Uuid as SqlUuid
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
"""When a person last changed the row; counters move without it."""
Active = Annotated[bool, mapped_column(server_default=text("true"))]
"""False is the soft delete: nobody sees the row any more, and its history stays."""
Counter = Annotated[int, mapped_column(server_default=text("0"))]
Str50 = Annotated[str, mapped_column(String(50))]
Str200 = Annotated[str, mapped_column(String(200))]
Url = Annotated[str, mapped_column(String(500))]
