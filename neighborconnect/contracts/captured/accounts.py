"""Captured tables of accounts and of the relationships between them."""

from __future__ import annotations

from neighborconnect.contracts.columns import (
    MARTS,
    MATCHING,
    RECOMMENDATION,
    CapturedTable,
    ColumnType,
    personal,
    public,
    row_id,
    secret,
    time,
    withheld,
)

_UUID, _TEXT, _INT, _BOOL, _TIME, _JSON = (
    ColumnType.UUID,
    ColumnType.TEXT,
    ColumnType.INTEGER,
    ColumnType.BOOLEAN,
    ColumnType.TIMESTAMP,
    ColumnType.JSON,
)

USERS = CapturedTable(
    "users",
    (
        row_id("user"),
        withheld("email_hash", _TEXT),
        public("username", _TEXT, "Public handle."),
        secret("password_hash", _TEXT),
        withheld("first_name", _TEXT),
        withheld("last_name", _TEXT),
        withheld("avatar_url", _TEXT),
        personal(
            "neighborhood",
            _TEXT,
            "Neighborhood of the home, as stated by the user.",
            consumers=(MARTS, RECOMMENDATION, MATCHING),
        ),
        public("city", _TEXT, "City of the home."),
        public("state", _TEXT, "State or region of the home."),
        public("country", _TEXT, "Country of the home."),
        withheld("postal_code", _TEXT),
        withheld("phone", _TEXT),
        public("interests", _JSON, "Interests stated by the user: a JSON array of texts."),
        public("verified", _BOOL, "Whether the email address is verified."),
        public("reputation", _INT, "Reputation score."),
        time("created_at", "Time of the registration"),
        time("updated_at", "Time of the last change of the account"),
        withheld("last_login", _TIME),
        public("is_active", _BOOL, "False after the account was closed."),
        public("role", _TEXT, "Role on the platform.", values=("member", "moderator", "admin")),
        withheld("suspended_until", _TIME),
        public("personalised", _BOOL, "Whether the user consents to personalization."),
        public("analysed", _BOOL, "Whether the user consents to analytics."),
        time("erased_at", "Time of the erasure; null if the user was not erased"),
        secret("email_encrypted", _TEXT),
        secret("phone_encrypted", _TEXT),
        secret("home_encrypted", _TEXT),
        personal("home_cell", _TEXT, "H3 cell of the home, resolution 7.", consumers=(MATCHING,)),
        personal(
            "personalization_reset_at",
            _TIME,
            "Time of the last reset of personalization: earlier acts are not learnt from; null without one.",
            consumers=(RECOMMENDATION,),
        ),
        withheld("language", _TEXT),
        withheld("shows_read_receipts", _BOOL),
    ),
    description="An account, without personal data that no consumer needs.",
)
FOLLOWS = CapturedTable(
    "follows",
    (
        row_id("follow"),
        public("follower_id", _UUID, "Id of the follower.", references="users"),
        public("followee_id", _UUID, "Id of the followed user.", references="users"),
        time("created_at", "Time of the follow"),
    ),
    description="A user who follows another.",
)
BLOCKS = CapturedTable(
    "blocks",
    (
        row_id("block"),
        personal("blocker_id", _UUID, "Id of the blocking user.", consumers=(RECOMMENDATION,), references="users"),
        personal("blocked_id", _UUID, "Id of the blocked user.", consumers=(RECOMMENDATION,), references="users"),
        time("created_at", "Time of the block"),
    ),
    description="A block between two users, for the recommender only.",
)
MUTES = CapturedTable(
    "mutes",
    (
        row_id("mute"),
        personal("muter_id", _UUID, "Id of the muting user.", consumers=(RECOMMENDATION,), references="users"),
        personal("muted_id", _UUID, "Id of the muted user.", consumers=(RECOMMENDATION,), references="users"),
        time("created_at", "Time of the mute"),
    ),
    description="A user whom another has muted, for the recommender only.",
)
HIDDEN_ITEMS = CapturedTable(
    "hidden_items",
    (
        personal("user_id", _UUID, "Id of the viewer.", consumers=(RECOMMENDATION,), references="users"),
        public("item_kind", _TEXT, "Kind of the hidden item."),
        public("item_id", _UUID, "Id of the hidden item."),
        time("created_at", "Time of the hide"),
        row_id("hide"),
    ),
    description="An item that its viewer hid, until the viewer shows it again.",
)
NOTIFICATIONS = CapturedTable(
    "notifications",
    (
        row_id("notification"),
        personal("user_id", _UUID, "Id of the recipient.", consumers=(MARTS, RECOMMENDATION), references="users"),
        withheld("notice_id", _UUID),
        public("kind", _TEXT, "Kind of the notice, such as post.liked."),
        withheld("actor_id", _UUID, references="users"),
        public("subject_kind", _TEXT, "Kind of the subject."),
        # The subject of a message is its conversation: the ids would tell who talks in which.
        withheld("subject_id", _UUID),
        withheld("source_kind", _TEXT),
        withheld("source_id", _UUID),
        withheld("title", _TEXT),
        withheld("body", _TEXT),
        time("created_at", "Time of the notification"),
        time("read_at", "Time when the recipient opened it; null if unopened"),
    ),
    description="A notification of one recipient and whether it was opened, without its text and its subject.",
)
ERASURES = CapturedTable(
    "erasures",
    (
        row_id("erasure"),
        public("user_id", _UUID, "Id of the erased account.", references="users"),
        public("keeps_words", _BOOL, "Whether the texts are retained without an author."),
        time("requested_at", "Time of the request"),
        secret("code_hash", _TEXT),
        withheld("receipt", _JSON),
        withheld("signed_receipt", _JSON),
        withheld("influenced_models", _JSON),
        withheld("done_at", _TIME),
        withheld("platform_done_at", _TIME),
    ),
    description="An erasure request, which every copy carries out.",
    event_time="requested_at",
)
