"""Previews of public pages that posts and messages link to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Base


class LinkPreview(Base):
    """Title and description of a page, by the SHA-256 of its address; ``title`` is null for a page without preview."""

    __tablename__ = "link_previews"

    url_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str | None]
    description: Mapped[str | None]
    site_name: Mapped[str | None]
    fetched_at: Mapped[datetime]
