"""Moderation: cases, reports, decisions and appeals."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Base, Counter, CreatedAt, RowId, Str50

OPEN_CASES = text("state = 'open'")
"""Predicate of the partial unique index. An upsert must repeat it literally: PostgreSQL cannot match a bound parameter
to the index once it uses a generic plan."""


class ModerationCase(Base):
    """Content that was reported, or that the content model flagged, until a moderator decides.

    A subject has at most one open case; ``content_snapshot`` is its text when the case was opened.
    """

    __tablename__ = "moderation_cases"

    id: Mapped[RowId]
    subject_kind: Mapped[Str50]
    subject_id: Mapped[UUID]
    # Imported connectors have no owner.
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    content_snapshot: Mapped[str]
    state: Mapped[str] = mapped_column(String(20), server_default=text("'open'"))
    report_count: Mapped[Counter]
    assignee_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    triage: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    # Hidden by the content model until a moderator decides.
    is_held: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("state IN ('open', 'decided')", name="state"),
        Index(
            "uq_moderation_cases_open_subject",
            "subject_kind",
            "subject_id",
            unique=True,
            postgresql_where=OPEN_CASES,
        ),
        Index("ix_moderation_cases_state_created_at_id", "state", "created_at", "id"),
    )


class Report(Base):
    """A user's report of a subject, once per case."""

    __tablename__ = "moderation_reports"

    id: Mapped[RowId]
    case_id: Mapped[UUID] = mapped_column(ForeignKey("moderation_cases.id", ondelete="CASCADE"))
    reporter_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    reason: Mapped[Str50]
    details: Mapped[str]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("case_id", "reporter_id"),
        Index("ix_moderation_reports_reporter_id_created_at_id", "reporter_id", "created_at", "id"),
    )


class ModerationDecision(Base):
    """A moderator's decision. A hide or suspension ends at ``until``; ``undone_at`` is set when it is reversed."""

    __tablename__ = "moderation_decisions"

    id: Mapped[RowId]
    case_id: Mapped[UUID] = mapped_column(ForeignKey("moderation_cases.id", ondelete="CASCADE"), index=True)
    moderator_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    outcome: Mapped[str] = mapped_column(String(20))
    label: Mapped[Str50 | None]
    rule: Mapped[str]
    until: Mapped[datetime | None]
    # Whether this decision hid the subject: only then does its reversal show the subject again.
    took_effect: Mapped[bool]
    created_at: Mapped[CreatedAt]
    undone_at: Mapped[datetime | None]
    # As in the case, for readers of decisions only; older decisions lack them.
    subject_kind: Mapped[str | None] = mapped_column(String(20))
    subject_id: Mapped[UUID | None]

    __table_args__ = (
        CheckConstraint("outcome IN ('keep', 'label', 'hide', 'remove', 'suspend')", name="outcome"),
        Index("ix_moderation_decisions_created_at_id", "created_at", "id"),
    )


class Appeal(Base):
    """The owner's appeal against a decision, at most one; another moderator decides."""

    __tablename__ = "moderation_appeals"

    id: Mapped[RowId]
    decision_id: Mapped[UUID] = mapped_column(ForeignKey("moderation_decisions.id", ondelete="CASCADE"), unique=True)
    appellant_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    statement: Mapped[str]
    state: Mapped[str] = mapped_column(String(20), server_default=text("'open'"))
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]
    decided_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("state IN ('open', 'upheld', 'overturned')", name="state"),
        Index("ix_moderation_appeals_state_created_at_id", "state", "created_at", "id"),
    )
