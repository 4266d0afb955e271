"""Rows of reactions, likes of comments, conversations, stories, incidents and notifications."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from simulator.arrays import uuids
from simulator.columns import Ids, id_series, times
from simulator.conversations import Conversation, conversation_rows, draw_conversations
from simulator.endorsements import (
    REACTIONS,
    CommentLikes,
    PostReactions,
    draw_comment_likes,
    draw_reactions,
)
from simulator.incidents import Incidents, draw_incidents
from simulator.notifications import notification_rows
from simulator.stories import Story, draw_stories, story_rows
from simulator.town import Town

_OF_INCIDENTS = (
    "posts",
    "comments",
    "marketplace_items",
    "hidden_items",
    "moderation_cases",
    "moderation_reports",
    "moderation_decisions",
    "moderation_appeals",
    "blocks",
    "mutes",
    "procrastinate_jobs",
)
"""Tables of incidents, parents before children."""


@dataclass(frozen=True, slots=True)
class SocialLife:
    """Acts of people of a town toward each other, in addition to the interactions with feeds."""

    reactions: PostReactions
    comment_likes: CommentLikes
    conversations: list[Conversation]
    stories: list[Story]
    incidents: Incidents


def draw_social_life(town: Town, ids: Ids) -> SocialLife:
    """Draw the social life of a town; it depends only on the town and its ids."""
    incidents = draw_incidents(town, ids)
    bad_neighbors = incidents.bad_neighbors
    return SocialLife(
        reactions=draw_reactions(town),
        comment_likes=draw_comment_likes(town),
        conversations=draw_conversations(town, without=bad_neighbors),
        stories=draw_stories(town, ids, without=bad_neighbors),
        incidents=incidents,
    )


def social_rows(town: Town, ids: Ids, life: SocialLife, *, comments: pl.Series) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield ``(table, rows)``, after those of users, connectors, posts, comments, items and uploads.

    Args:
        town: the town.
        ids: its ids.
        life: its social life.
        comments: texts of its comments, by number.
    """
    rng, start = town.spec.generator(32), town.spec.start
    reactions, likes = life.reactions, life.comment_likes
    yield (
        "post_reactions",
        pl.DataFrame(
            {
                "id": id_series(uuids(rng, len(reactions))),
                "post_id": ids.posts.gather(reactions.post),
                "user_id": ids.users.gather(reactions.user),
                "kind": pl.Series(REACTIONS).gather(reactions.kind),
                "created_at": times(start, reactions.at),
            }
        ),
    )
    yield (
        "comment_likes",
        pl.DataFrame(
            {
                "id": id_series(uuids(rng, len(likes))),
                "comment_id": ids.comments.gather(likes.comment),
                "user_id": ids.users.gather(likes.user),
                "created_at": times(start, likes.at),
            }
        ),
    )
    yield from conversation_rows(town, ids, life.conversations)
    yield from story_rows(town, ids, life.stories)
    for table in _OF_INCIDENTS:
        rows = [_filled(row, comments) for row in life.incidents.rows.get(table, [])]
        if rows:
            yield table, pl.DataFrame(rows, infer_schema_length=None)
    yield (
        "notifications",
        notification_rows(
            town,
            ids,
            reactions=reactions,
            comment_likes=likes,
            conversations=life.conversations,
            incidents=life.incidents,
        ),
    )


def _filled(row: dict[str, Any], comments: pl.Series) -> dict[str, Any]:
    """Return a row with the text of the reported comment, and JSON as text."""
    number = row.get("comment_number")
    filled = {name: value for name, value in row.items() if name != "comment_number"}
    if number is not None:
        filled["content_snapshot"] = comments[number]
    return {name: json.dumps(value) if isinstance(value, dict) else value for name, value in filled.items()}
