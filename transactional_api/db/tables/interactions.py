"""What a person asked not to see again. Other behaviour is an event and has no table here."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.db.base import Base, CreatedAt


class HiddenItem(Base):
    """A post or connector that its viewer hid."""

    __tablename__ = "hidden_items"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    item_kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]
