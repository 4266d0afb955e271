"""Posts, comments and likes on the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from transactional_api.text import Line, Link, RequestBody, Text


class PostBody(RequestBody):
    """A post as its author writes it; PUT replaces all of it."""

    content: Annotated[Text, StringConstraints(min_length=1, max_length=10_000)] = Field(
        examples=["The tomato seedlings are ready. Come and take some on Saturday."]
    )
    title: Annotated[Line, StringConstraints(max_length=200)] | None = Field(
        default=None, examples=["Tomato seedlings"]
    )
    image_url: Annotated[Link, StringConstraints(max_length=500)] | None = Field(
        default=None, examples=["https://media.example.org/tomatoes.jpg"]
    )


class NewPost(PostBody):
    """A new post and the connector it goes to."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])


class PostOut(BaseModel):
    """A post, and whether the viewer likes it."""

    id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    connector_name: str = Field(examples=["Dean Street Gardeners"])
    author_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    author_username: str = Field(examples=["ada.okafor"])
    content: str = Field(examples=["The tomato seedlings are ready. Come and take some on Saturday."])
    title: str | None = Field(examples=["Tomato seedlings"])
    image_url: str | None = Field(examples=["https://media.example.org/tomatoes.jpg"])
    likes_count: int = Field(examples=[7])
    comments_count: int = Field(examples=[2])
    liked: bool = Field(description="Whether you like it.", examples=[True])
    pinned: bool = Field(description="Whether its connector shows it first.", examples=[False])
    edited: bool = Field(description="Whether it said something else before.", examples=[False])
    created_at: datetime = Field(examples=["2026-03-03T07:15:00Z"])
    updated_at: datetime = Field(examples=["2026-03-03T07:15:00Z"])


class LikeOut(BaseModel):
    """A post's likes after the viewer's change."""

    post_id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    liked: bool = Field(examples=[True])
    likes_count: int = Field(examples=[8])


class VersionOut(BaseModel):
    """What a post said until somebody changed it."""

    id: UUID = Field(examples=["c0a80121-7ac0-4b1c-9d2e-1f0a3b5c7d9e"])
    editor_id: UUID | None = Field(description="Who changed it.", examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    content: str = Field(examples=["The tomato seedlings are nearly ready."])
    title: str | None = Field(examples=["Tomato seedlings"])
    image_url: str | None = Field(examples=[None])
    created_at: datetime = Field(description="When it was changed.", examples=["2026-03-03T09:00:00Z"])


class ReactionKind(StrEnum):
    """How one may feel about a post."""

    LOVE = "love"
    HELPFUL = "helpful"
    FUNNY = "funny"
    CARE = "care"
    CELEBRATE = "celebrate"


class ReactionBody(RequestBody):
    """How you feel about a post."""

    kind: ReactionKind = Field(examples=["helpful"])


class ReactionsOut(BaseModel):
    """How people feel about a post."""

    counts: dict[ReactionKind, int] = Field(examples=[{"helpful": 3}])
    mine: ReactionKind | None = Field(examples=["helpful"])


class FeedKind(StrEnum):
    """Whose posts: of people whom you follow, of connectors that you belong to, or of connectors near a point."""

    FOLLOWING = "following"
    CONNECTORS = "connectors"
    NEARBY = "nearby"


class CommentBody(RequestBody):
    """A comment's new words."""

    content: Annotated[Text, StringConstraints(min_length=1, max_length=5_000)] = Field(examples=["I will bring pots."])


class CommentLikeOut(BaseModel):
    """A comment's likes after the viewer's change."""

    comment_id: UUID = Field(examples=["2f9d2b63-b2d7-49a9-8a61-1a3bb0a7a7d5"])
    liked: bool = Field(examples=[True])
    likes_count: int = Field(examples=[1])


class NewComment(RequestBody):
    """A comment, or a reply to another comment of the same post."""

    content: Annotated[Text, StringConstraints(min_length=1, max_length=5_000)] = Field(examples=["I will bring pots."])
    parent_id: UUID | None = Field(default=None, examples=[None])


class CommentOut(BaseModel):
    """A comment."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["2f9d2b63-b2d7-49a9-8a61-1a3bb0a7a7d5"])
    post_id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    author_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    author_username: str = Field(examples=["ada.okafor"])
    content: str = Field(examples=["I will bring pots."])
    parent_id: UUID | None = Field(examples=[None])
    likes_count: int = Field(examples=[0])
    liked: bool = Field(description="Whether you like it.", examples=[False])
    created_at: datetime = Field(examples=["2026-03-03T08:00:00Z"])
