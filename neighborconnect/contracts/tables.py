"""The captured tables: which columns leave PostgreSQL, with which type and privacy class.

``secret`` never leaves. ``personal`` leaves only for the consumers that are named beside it. A column that
is not listed here is not captured; a test holds this list against the database's own catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CDC_TOPIC_PREFIX = "neighborconnect.public"


class Privacy(StrEnum):
    """How far a column may travel."""

    PUBLIC = "public"
    PERSONAL = "personal"
    SECRET = "secret"  # noqa: S105 (a class of data, not a password)


class ColumnType(StrEnum):
    """Types as the warehouse and the lake know them; timestamps are UTC with microseconds."""

    UUID = "uuid"
    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamptz"
    JSON = "jsonb"
    FLOAT = "double precision"


@dataclass(frozen=True, slots=True)
class Column:
    """One column and the parts that may see it if it is personal."""

    name: str
    type: ColumnType
    privacy: Privacy = Privacy.PUBLIC
    consumers: tuple[str, ...] = ()

    @property
    def leaves(self) -> bool:
        """Whether the column is in the images that change capture publishes."""
        return self.privacy is Privacy.PUBLIC or (self.privacy is Privacy.PERSONAL and bool(self.consumers))


@dataclass(frozen=True, slots=True)
class CapturedTable:
    """A table whose every committed change reaches Kafka. The primary key is always ``id`` (uuid)."""

    name: str
    columns: tuple[Column, ...]

    @property
    def topic(self) -> str:
        """Kafka topic of the table's changes, named as Debezium would name it."""
        return f"{CDC_TOPIC_PREFIX}.{self.name}"

    @property
    def published(self) -> tuple[Column, ...]:
        """The columns that leave PostgreSQL, in order."""
        return tuple(column for column in self.columns if column.leaves)


_UUID, _TEXT, _INT, _BOOL, _TIME, _JSON, _FLOAT = (
    ColumnType.UUID,
    ColumnType.TEXT,
    ColumnType.INTEGER,
    ColumnType.BOOLEAN,
    ColumnType.TIMESTAMP,
    ColumnType.JSON,
    ColumnType.FLOAT,
)

USERS = CapturedTable(
    "users",
    (
        Column("id", _UUID),
        Column("email", _TEXT, Privacy.PERSONAL),
        Column("username", _TEXT),
        Column("password_hash", _TEXT, Privacy.SECRET),
        Column("first_name", _TEXT, Privacy.PERSONAL),
        Column("last_name", _TEXT, Privacy.PERSONAL),
        Column("avatar_url", _TEXT, Privacy.PERSONAL),
        Column("neighborhood", _TEXT, Privacy.PERSONAL, consumers=("marts", "recommendation", "matching")),
        Column("city", _TEXT),
        Column("state", _TEXT),
        Column("country", _TEXT),
        Column("postal_code", _TEXT, Privacy.PERSONAL),
        Column("phone", _TEXT, Privacy.PERSONAL),
        Column("interests", _JSON),
        Column("verified", _BOOL),
        Column("reputation", _INT),
        Column("created_at", _TIME),
        Column("updated_at", _TIME),
        Column("last_login", _TIME, Privacy.PERSONAL),
        Column("is_active", _BOOL),
        Column("role", _TEXT),
        Column("suspended_until", _TIME, Privacy.PERSONAL),
        Column("personalised", _BOOL),
        Column("analysed", _BOOL),
        Column("erased_at", _TIME),
        Column("email_sealed", _TEXT, Privacy.SECRET),
        Column("phone_sealed", _TEXT, Privacy.SECRET),
        Column("home_sealed", _TEXT, Privacy.SECRET),
        Column("home_cell", _TEXT, Privacy.PERSONAL, consumers=("matching",)),
    ),
)
CONNECTORS = CapturedTable(
    "connectors",
    (
        Column("id", _UUID),
        Column("name", _TEXT),
        Column("description", _TEXT),
        Column("category", _TEXT),
        Column("image_url", _TEXT),
        Column("created_by", _UUID),
        Column("is_public", _BOOL),
        Column("member_count", _INT),
        Column("post_count", _INT),
        Column("rules", _TEXT),
        Column("settings", _JSON, Privacy.PERSONAL),
        Column("created_at", _TIME),
        Column("updated_at", _TIME),
        Column("is_active", _BOOL),
        Column("join_policy", _TEXT),
        Column("latitude", _FLOAT),
        Column("longitude", _FLOAT),
    ),
)
CONNECTOR_MEMBERS = CapturedTable(
    "connector_members",
    (
        Column("id", _UUID),
        Column("connector_id", _UUID),
        Column("user_id", _UUID),
        Column("role", _TEXT),
        Column("joined_at", _TIME),
    ),
)
POSTS = CapturedTable(
    "posts",
    (
        Column("id", _UUID),
        Column("connector_id", _UUID),
        Column("author_id", _UUID),
        Column("content", _TEXT),
        Column("title", _TEXT),
        Column("image_url", _TEXT),
        Column("likes_count", _INT),
        Column("comments_count", _INT),
        Column("created_at", _TIME),
        Column("updated_at", _TIME),
        Column("is_active", _BOOL),
    ),
)
COMMENTS = CapturedTable(
    "comments",
    (
        Column("id", _UUID),
        Column("post_id", _UUID),
        Column("author_id", _UUID),
        Column("content", _TEXT),
        Column("parent_id", _UUID),
        Column("likes_count", _INT),
        Column("created_at", _TIME),
        Column("updated_at", _TIME),
        Column("is_active", _BOOL),
    ),
)
POST_LIKES = CapturedTable(
    "post_likes",
    (Column("id", _UUID), Column("post_id", _UUID), Column("user_id", _UUID), Column("created_at", _TIME)),
)
FOLLOWS = CapturedTable(
    "follows",
    (Column("id", _UUID), Column("follower_id", _UUID), Column("followee_id", _UUID), Column("created_at", _TIME)),
)

ERASURES = CapturedTable(
    "erasures",
    (
        Column("id", _UUID),
        Column("user_id", _UUID),
        Column("keeps_words", _BOOL),
        Column("requested_at", _TIME),
        Column("code_hash", _TEXT, Privacy.SECRET),
        Column("receipt", _JSON, Privacy.PERSONAL),
        Column("done_at", _TIME, Privacy.PERSONAL),
        Column("platform_done_at", _TIME, Privacy.PERSONAL),
    ),
)

MODERATION_DECISIONS = CapturedTable(
    "moderation_decisions",
    (
        Column("id", _UUID),
        Column("case_id", _UUID),
        Column("moderator_id", _UUID, Privacy.PERSONAL),
        Column("outcome", _TEXT),
        Column("label", _TEXT),
        Column("rule", _TEXT),
        Column("until", _TIME),
        Column("took_effect", _BOOL),
        Column("created_at", _TIME),
        Column("undone_at", _TIME),
        Column("subject_kind", _TEXT),
        Column("subject_id", _UUID),
    ),
)

CAPTURED_TABLES: tuple[CapturedTable, ...] = (
    USERS,
    CONNECTORS,
    CONNECTOR_MEMBERS,
    POSTS,
    COMMENTS,
    POST_LIKES,
    FOLLOWS,
    ERASURES,
    MODERATION_DECISIONS,
)
