"""Captured tables of connectors, posts, comments and reviews."""

from __future__ import annotations

from neighborconnect.contracts.columns import (
    MARTS,
    RECOMMENDATION,
    CapturedTable,
    ColumnType,
    personal,
    public,
    row_id,
    time,
    withheld,
)

_UUID, _TEXT, _INT, _BOOL, _JSON, _FLOAT = (
    ColumnType.UUID,
    ColumnType.TEXT,
    ColumnType.INTEGER,
    ColumnType.BOOLEAN,
    ColumnType.JSON,
    ColumnType.FLOAT,
)

CONNECTORS = CapturedTable(
    "connectors",
    (
        row_id("connector"),
        public("name", _TEXT, "Display name."),
        public("description", _TEXT, "Description of the connector."),
        public("category", _TEXT, "Category."),
        # A stored link of an older release, until it is replaced by a reference.
        withheld("image_url", _TEXT),
        public("created_by", _UUID, "Id of the founder.", references="users"),
        public("is_public", _BOOL, "Whether everybody can find and read it."),
        public("member_count", _INT, "Number of members."),
        public("post_count", _INT, "Number of posts."),
        public("rules", _TEXT, "Rules of the connector."),
        withheld("settings", _JSON),
        time("created_at", "Creation time"),
        time("updated_at", "Time of the last change"),
        public("is_active", _BOOL, "False after it was closed."),
        public("join_policy", _TEXT, "How people join.", values=("open", "approval", "invitation")),
        public("latitude", _FLOAT, "Latitude in degrees (WGS 84)."),
        public("longitude", _FLOAT, "Longitude in degrees (WGS 84)."),
        public("media_id", _UUID, "Id of the upload of its image."),
    ),
    description="A connector: a group, a place or a cause.",
)
CONNECTOR_MEMBERS = CapturedTable(
    "connector_members",
    (
        row_id("membership"),
        public("connector_id", _UUID, "Id of the connector.", references="connectors"),
        public("user_id", _UUID, "Id of the member.", references="users"),
        public("role", _TEXT, "Role of the member.", values=("member", "moderator", "admin")),
        time("joined_at", "Time of joining"),
    ),
    description="A membership of a user in a connector.",
    event_time="joined_at",
)
POSTS = CapturedTable(
    "posts",
    (
        row_id("post"),
        public("connector_id", _UUID, "Id of the connector.", references="connectors"),
        public("author_id", _UUID, "Id of the author.", references="users"),
        public("content", _TEXT, "Text.", is_text=True),
        public("title", _TEXT, "Title; null if there is none.", is_text=True),
        withheld("image_url", _TEXT),
        public("likes_count", _INT, "Number of likes."),
        public("comments_count", _INT, "Number of comments."),
        time("created_at", "Creation time"),
        time("updated_at", "Time of the last change"),
        public("is_active", _BOOL, "False after its removal."),
        public("media_ids", _JSON, "Ids of the attached uploads: a JSON array."),
    ),
    description="A post in a connector.",
)
COMMENTS = CapturedTable(
    "comments",
    (
        row_id("comment"),
        public("post_id", _UUID, "Id of the commented post.", references="posts"),
        public("author_id", _UUID, "Id of the author.", references="users"),
        public("content", _TEXT, "Text.", is_text=True),
        public(
            "parent_id",
            _UUID,
            "Id of the parent comment; null for a comment on the post itself.",
            references="comments",
        ),
        public("likes_count", _INT, "Number of likes."),
        time("created_at", "Creation time"),
        time("updated_at", "Time of the last change"),
        public("is_active", _BOOL, "False after its removal."),
        withheld("media_ids", _JSON),
    ),
    description="A comment on a post, or a reply to another comment.",
)
POST_LIKES = CapturedTable(
    "post_likes",
    (
        row_id("like"),
        public("post_id", _UUID, "Id of the liked post.", references="posts"),
        public("user_id", _UUID, "Id of the user who likes it.", references="users"),
        time("created_at", "Time of the like"),
    ),
    description="A like of a post; an unlike deletes the row.",
)
POST_REACTIONS = CapturedTable(
    "post_reactions",
    (
        row_id("reaction"),
        public("post_id", _UUID, "Id of the post.", references="posts"),
        public("user_id", _UUID, "Id of the reacting user.", references="users"),
        public("kind", _TEXT, "Kind of the reaction.", values=("love", "helpful", "funny", "care", "celebrate")),
        time("created_at", "Time of the reaction"),
    ),
    description="A user's reaction to a post, in addition to a like.",
)
COMMENT_LIKES = CapturedTable(
    "comment_likes",
    (
        row_id("like"),
        public("comment_id", _UUID, "Id of the liked comment.", references="comments"),
        public("user_id", _UUID, "Id of the user who likes it.", references="users"),
        time("created_at", "Time of the like"),
    ),
    description="A like of a comment; an unlike deletes the row.",
)
REVIEWS = CapturedTable(
    "reviews",
    (
        row_id("review"),
        public("connector_id", _UUID, "Id of the reviewed connector.", references="connectors"),
        public("reviewer_id", _UUID, "Id of the reviewer.", references="users"),
        public("title", _TEXT, "Title.", is_text=True),
        public("content", _TEXT, "Text.", is_text=True),
        public("rating", _INT, "Rating in stars, 1 to 5."),
        public("helpful_count", _INT, "Number of votes that it is helpful."),
        time("created_at", "Creation time"),
        time("updated_at", "Time of the last edit"),
        public("is_active", _BOOL, "False after its removal."),
        public("state", _TEXT, "Whether moderators of the connector hid it.", values=("visible", "hidden")),
        withheld("media_ids", _JSON),
    ),
    description="A member's review of a connector.",
)
REVIEW_VOTES = CapturedTable(
    "review_votes",
    (
        row_id("vote"),
        public("review_id", _UUID, "Id of the review.", references="reviews"),
        personal("user_id", _UUID, "Id of the voter.", consumers=(MARTS, RECOMMENDATION), references="users"),
        time("created_at", "Time of the vote"),
    ),
    description="A vote that a review is helpful.",
)
