"""Create events and attendees."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.text("gen_random_uuid()")
_NOW = sa.func.now()


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), server_default=_ID, nullable=False),
        sa.Column("connector_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("location", sa.String(500)),
        sa.Column("start_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_date", sa.DateTime(timezone=True)),
        sa.Column("max_attendees", sa.Integer()),
        sa.Column("attendee_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("latitude", sa.Float()),
        sa.Column("longitude", sa.Float()),
        sa.Column("time_zone", sa.String(64), server_default=sa.text("'UTC'"), nullable=False),
        sa.Column("hides_attendees", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("end_date > start_date", name=op.f("ck_events_ends_after_start")),
        sa.CheckConstraint("max_attendees > 0", name=op.f("ck_events_places")),
        sa.CheckConstraint("attendee_count >= 0 AND attendee_count <= max_attendees", name=op.f("ck_events_capacity")),
        sa.CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name=op.f("ck_events_point")),
        sa.ForeignKeyConstraint(
            ["connector_id"], ["connectors.id"], name=op.f("fk_events_connector_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_events_created_by"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index("ix_events_connector_id_start_date_id", "events", ["connector_id", "start_date", "id"])
    op.create_index("ix_events_start_date_id", "events", ["start_date", "id"])
    op.create_index("ix_events_latitude", "events", ["latitude"])
    op.create_index(op.f("ix_events_created_by"), "events", ["created_by"])
    op.create_table(
        "event_attendees",
        sa.Column("id", sa.Uuid(), server_default=_ID, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(20), server_default=sa.text("'attending'"), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("guests", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "status IN ('attending', 'maybe', 'declined', 'waiting')", name=op.f("ck_event_attendees_status")
        ),
        sa.CheckConstraint("guests BETWEEN 0 AND 10", name=op.f("ck_event_attendees_guests")),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_event_attendees_event_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_event_attendees_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_attendees")),
        sa.UniqueConstraint("event_id", "user_id", name=op.f("uq_event_attendees_event_id_user_id")),
    )
    op.create_index(op.f("ix_event_attendees_user_id"), "event_attendees", ["user_id"])
    op.create_index(
        "ix_event_attendees_event_id_status_joined_at_id",
        "event_attendees",
        ["event_id", "status", "joined_at", "id"],
    )
