"""Reactions to posts and likes of comments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.arrays import Columns, Floats, Groups, Ints
from simulator.feeds import pair_key
from simulator.spec import DAY_SECONDS
from simulator.town import Town

REACTIONS = ("love", "helpful", "funny", "care", "celebrate")
_REACTION_SHARES = np.array([0.35, 0.25, 0.15, 0.1, 0.15])
_REACTS_GIVEN_LIKE, _LIKES_PER_COMMENT = 0.25, 0.5
_HOUR = 3_600.0


@dataclass(frozen=True, slots=True)
class PostReactions(Columns):
    """Reactions to posts; each pair is unique, and ``kind`` is an index into ``REACTIONS``."""

    user: Ints
    post: Ints
    kind: Ints
    at: Floats


@dataclass(frozen=True, slots=True)
class CommentLikes(Columns):
    """Likes of comments; each pair is unique, and no one likes their own comment."""

    user: Ints
    comment: Ints
    at: Floats


def draw_reactions(town: Town) -> PostReactions:
    """Let some of those who like a post react to it too."""
    rng, likes = town.spec.generator(29), town.likes
    chosen = likes.take((rng.random(len(likes)) < _REACTS_GIVEN_LIKE) & (town.posts.author[likes.post] != likes.user))
    kind = rng.choice(len(REACTIONS), len(chosen), p=_REACTION_SHARES)
    return PostReactions(user=chosen.user, post=chosen.post, kind=kind, at=chosen.at + 4.0)


def draw_comment_likes(town: Town) -> CommentLikes:
    """Let people who like a post like comments on it."""
    rng, comments, likes = town.spec.generator(30), town.comments, town.likes
    comment = np.repeat(np.arange(len(comments)), rng.poisson(_LIKES_PER_COMMENT, len(comments)))
    by_post = Groups(likes.post, np.arange(len(likes)), groups=len(town.posts))
    like = by_post.draw(rng, comments.post[comment])
    comment, like = comment[like >= 0], like[like >= 0]
    user = likes.user[like]
    at = np.maximum(comments.at[comment], likes.at[like]) + rng.exponential(_HOUR, len(comment)) + 15.0
    drawn = CommentLikes(user=user, comment=comment, at=at)
    drawn = drawn.take((user != comments.user[comment]) & (at < town.spec.days * DAY_SECONDS))
    _, first = np.unique(pair_key(drawn.user, drawn.comment), return_index=True)
    return drawn.take(np.sort(first))
