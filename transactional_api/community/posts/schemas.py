"""Request and response schemas of posts, comments and engagement."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from transactional_api.core.media.attachments import NewMediaIds, OwnLink, ShowsImage, ShowsMedia
from transactional_api.core.media.link_previews import ShowsLink
from transactional_api.core.reactions import ReactionKind
from transactional_api.core.text import Line, RequestBody, Text
from transactional_api.identity.users.people import Person


class PostBody(RequestBody):
    """Editable fields of a post; PUT replaces all of them."""

    content: Annotated[Text, StringConstraints(min_length=1, max_length=10_000)] = Field(
        examples=["The tomato seedlings are ready. Come and take some on Saturday."]
    )
    title: Annotated[Line, StringConstraints(max_length=200)] | None = Field(
        default=None, examples=["Tomato seedlings"]
    )
    media_ids: NewMediaIds = None
    image_url: OwnLink | None = Field(
        default=None,
        json_schema_extra={"deprecated": True},
        description="Link to an own upload. Use `media_ids` instead.",
        examples=[None],
    )


class NewPost(PostBody):
    """A new post and the connector that it belongs to."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])


class PostOut(ShowsImage, ShowsLink):
    """A post and the engagement of the authenticated user."""

    id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    connector_name: str = Field(examples=["Dean Street Gardeners"])
    author: Person
    content: str = Field(examples=["The tomato seedlings are ready. Come and take some on Saturday."])
    title: str | None = Field(examples=["Tomato seedlings"])
    like_count: int = Field(examples=[7])
    comment_count: int = Field(examples=[2])
    liked: bool = Field(description="Whether you like it.", examples=[True])
    reaction_counts: dict[ReactionKind, int] = Field(
        description="Reactions by kind, of users whom you can see.", examples=[{"helpful": 3}]
    )
    viewer_reaction: ReactionKind | None = Field(description="Your reaction.", examples=["helpful"])
    bookmarked: bool = Field(description="Whether you keep it for later.", examples=[False])
    pinned: bool = Field(description="Whether it is pinned in its connector.", examples=[False])
    edited: bool = Field(description="Whether its content has been changed.", examples=[False])
    created_at: datetime = Field(examples=["2026-03-03T07:15:00Z"])
    updated_at: datetime = Field(examples=["2026-03-03T07:15:00Z"])


class LikeOut(BaseModel):
    """The likes of a post after the request."""

    post_id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    liked: bool = Field(examples=[True])
    like_count: int = Field(examples=[8])


class PostVersionOut(ShowsImage):
    """A previous version of a post."""

    id: UUID = Field(examples=["c0a80121-7ac0-4b1c-9d2e-1f0a3b5c7d9e"])
    editor_id: UUID | None = Field(
        description="User who replaced this version.", examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"]
    )
    content: str = Field(examples=["The tomato seedlings are nearly ready."])
    title: str | None = Field(examples=["Tomato seedlings"])
    created_at: datetime = Field(
        description="Time at which this version was replaced.", examples=["2026-03-03T09:00:00Z"]
    )


class ReactionBody(RequestBody):
    """A reaction to a post."""

    kind: ReactionKind = Field(examples=["helpful"])


class ReactionsOut(BaseModel):
    """Reactions to a post by kind, and the one of the authenticated user."""

    counts: dict[ReactionKind, int] = Field(examples=[{"helpful": 3}])
    viewer_reaction: ReactionKind | None = Field(examples=["helpful"])


class PostLiker(BaseModel):
    """A user who likes a post."""

    model_config = ConfigDict(from_attributes=True)

    user: Person
    created_at: datetime = Field(examples=["2026-03-03T08:00:00Z"])


class PostReactor(PostLiker):
    """A user who reacted to a post."""

    kind: ReactionKind = Field(examples=["helpful"])


class FeedKind(StrEnum):
    """Source of a feed: followed users, own connectors, or connectors near a point."""

    FOLLOWING = "following"
    CONNECTORS = "connectors"
    NEARBY = "nearby"


class CommentBody(RequestBody):
    """Editable fields of a comment; PUT replaces all of them."""

    content: Annotated[Text, StringConstraints(min_length=1, max_length=5_000)] = Field(examples=["I will bring pots."])
    media_ids: NewMediaIds = None


class CommentLikeOut(BaseModel):
    """The likes of a comment after the request."""

    comment_id: UUID = Field(examples=["2f9d2b63-b2d7-49a9-8a61-1a3bb0a7a7d5"])
    liked: bool = Field(examples=[True])
    like_count: int = Field(examples=[1])


class NewComment(CommentBody):
    """A new comment, or a reply to a comment of the same post."""

    parent_id: UUID | None = Field(default=None, examples=[None])


class CommentOut(ShowsMedia):
    """A comment and whether the authenticated user likes it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["2f9d2b63-b2d7-49a9-8a61-1a3bb0a7a7d5"])
    post_id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    author: Person
    content: str = Field(examples=["I will bring pots."])
    parent_id: UUID | None = Field(examples=[None])
    like_count: int = Field(examples=[0])
    liked: bool = Field(description="Whether you like it.", examples=[False])
    created_at: datetime = Field(examples=["2026-03-03T08:00:00Z"])
