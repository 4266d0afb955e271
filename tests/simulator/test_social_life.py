"""Consistency of what people of a simulated town do with each other."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from simulator.columns import Ids, draw_ids
from simulator.feeds import pair_key
from simulator.incidents import MODERATORS
from simulator.rows import town_rows
from simulator.social_rows import SocialLife, draw_social_life
from simulator.spec import DAY_SECONDS, SHOWN_PEOPLE
from simulator.town import Town


@pytest.fixture(scope="module")
def ids(town: Town) -> Ids:
    return draw_ids(town)


@pytest.fixture(scope="module")
def life(town: Town, ids: Ids) -> SocialLife:
    return draw_social_life(town, ids)


@pytest.fixture(scope="module")
def tables(town: Town, ids: Ids) -> dict[str, pl.DataFrame]:
    parts: dict[str, list[pl.DataFrame]] = defaultdict(list)
    for table, rows in town_rows(town, ids, password_hash="-"):
        parts[table].append(rows)
    return {table: pl.concat(frames, how="diagonal_relaxed") for table, frames in parts.items()}


def test_every_time_is_within_the_history(town: Town, tables: dict[str, pl.DataFrame]) -> None:
    planned = {("events", "start_date"), ("events", "end_date"), ("marketplace_items", "reserved_until")}
    planned |= {(table, "expires_at") for table in ("media_documents", "media_captions")}
    for table, rows in tables.items():
        for name in rows.columns:
            if name.endswith("_at") and (table, name) not in planned:
                times = rows[name].drop_nulls()
                assert times.is_empty() or times.cast(pl.Datetime("us", "UTC")).max() <= town.spec.end, (table, name)


def test_lines_are_said_in_turn_by_members_and_read_in_order(town: Town, life: SocialLife) -> None:
    kinds = {conversation.title is None for conversation in life.conversations}
    assert kinds == {True, False}
    for conversation in life.conversations:
        times = [at for at, _, _ in conversation.lines]
        assert times == sorted(times)
        assert max(times) < town.spec.days * DAY_SECONDS
        assert {author for _, author, _ in conversation.lines} <= set(conversation.members)
        assert not set(conversation.members) & set(life.incidents.bad_neighbors)
        arrived = town.people.arrived[list(conversation.members)].max()
        assert min(times) > arrived
        events = len(conversation.members) + len(conversation.lines)
        assert all(len(conversation.members) <= read <= events for read in conversation.read.values())
        assert not any("{" in text for _, _, text in conversation.lines)
    pairs = [frozenset(one.members) for one in life.conversations if one.title is None]
    assert len(set(pairs)) == len(pairs)


def test_endorsements_follow_what_they_endorse(town: Town, life: SocialLife) -> None:
    likes, reactions = life.comment_likes, life.reactions
    assert min(len(likes), len(reactions)) > 50
    assert (likes.at > town.comments.at[likes.comment]).all()
    assert (likes.user != town.comments.user[likes.comment]).all()
    assert (reactions.at > town.posts.created[reactions.post]).all()
    for user, item in ((likes.user, likes.comment), (reactions.user, reactions.post)):
        assert len(np.unique(pair_key(user, item))) == len(user)


def test_stories_are_alive_and_by_members(town: Town, life: SocialLife, tables: dict[str, pl.DataFrame]) -> None:
    members = set(zip(town.memberships.user.tolist(), town.memberships.connector.tolist(), strict=True))
    assert len(life.stories) > len(town.connectors) / 3
    assert all((story.author, story.connector) in members for story in life.stories)
    captions = tables["media_captions"]
    assert (captions["expires_at"] > town.spec.end).all()
    views = tables["media_engagements"].join(captions, left_on="document_id", right_on="id", suffix="_of_story")
    assert len(views) == len(tables["media_engagements"])
    assert (views["created_at"] > views["created_at_of_story"]).all()
    assert (views["user_id"] != views["author_id"]).all()


def test_reports_follow_content_and_decisions_follow_reports(
    ids: Ids, life: SocialLife, tables: dict[str, pl.DataFrame]
) -> None:
    cases = tables["moderation_cases"]
    assert set(cases["subject_kind"]) == {"post", "comment", "item"}
    assert set(cases["state"]) == {"open", "decided"}
    assert cases["content_snapshot"].str.len_chars().min() > 0
    written = pl.concat(
        tables[table].select(subject_id="id", written_at="created_at", owner=owner)
        for table, owner in (("posts", "author_id"), ("comments", "author_id"), ("marketplace_items", "seller_id"))
    )
    of_subject = cases.join(written, on="subject_id")
    assert len(of_subject) == len(cases)
    assert (of_subject["written_at"] < of_subject["created_at"]).all()
    assert of_subject["owner"].to_list() == of_subject["owner_id"].to_list()
    reports = tables["moderation_reports"].join(cases, left_on="case_id", right_on="id", suffix="_of_case")
    assert (reports["created_at"] >= reports["created_at_of_case"]).all()
    assert (reports["reporter_id"] != reports["owner_id"]).all()
    assert reports.group_by("case_id").len()["len"].sum() == cases["report_count"].sum()
    last = reports.group_by("case_id").agg(pl.col("created_at").max().alias("reported_at"))
    decisions = tables["moderation_decisions"].join(last, on="case_id")
    assert len(decisions) == (cases["state"] == "decided").sum()
    assert (decisions["created_at"] > decisions["reported_at"]).all()
    assert set(decisions["moderator_id"]) == {ids.users[MODERATORS[-1]]}
    assert min(life.incidents.bad_neighbors) >= SHOWN_PEOPLE
    removed = decisions.filter(pl.col("took_effect"))["subject_id"]
    hidden = pl.concat(
        tables[table].filter(~pl.col("is_active")).select("id") for table in ("posts", "comments", "marketplace_items")
    )
    assert set(hidden["id"]) == set(removed)


def test_notifications_follow_acts_and_recent_ones_are_unread(town: Town, tables: dict[str, pl.DataFrame]) -> None:
    notifications = tables["notifications"]
    assert len(set(notifications["kind"])) > 12
    assert notifications.select("user_id", "notice_id").is_unique().all()
    assert (notifications["actor_id"] != notifications["user_id"]).all()
    read = notifications.drop_nulls("read_at")
    assert (read["read_at"] > read["created_at"]).all()
    unread = notifications.filter(pl.col("read_at").is_null())
    assert (unread["created_at"] > town.spec.end - timedelta(days=3)).all()
    for kind, table, keys in (
        ("post.liked", "post_likes", {"subject_id": "post_id", "actor_id": "user_id"}),
        ("post.reacted", "post_reactions", {"subject_id": "post_id", "actor_id": "user_id"}),
        ("comment.created", "comments", {"source_id": "id", "actor_id": "author_id"}),
        ("comment.liked", "comment_likes", {"source_id": "comment_id", "actor_id": "user_id"}),
        ("event.created", "events", {"subject_id": "id", "actor_id": "created_by"}),
        ("event.soon", "event_attendees", {"subject_id": "event_id", "user_id": "user_id"}),
        ("item.bought", "marketplace_purchases", {"subject_id": "item_id", "actor_id": "buyer_id"}),
        ("seller.reviewed", "seller_reviews", {"subject_id": "id", "actor_id": "buyer_id"}),
        ("user.followed", "follows", {"actor_id": "follower_id", "user_id": "followee_id"}),
        ("report.decided", "moderation_reports", {"subject_id": "id", "user_id": "reporter_id"}),
        ("message.created", "conversations", {"subject_id": "id"}),
    ):
        of_kind = notifications.filter(pl.col("kind") == kind)
        rows = tables[table]
        acted_at = pl.col("joined_at" if table == "event_attendees" else "created_at").alias("acted_at")
        acts = rows.select(acted_at, **{column: pl.col(name) for column, name in keys.items()})
        joined = of_kind.join(acts, on=list(keys))
        assert len(joined) == len(of_kind) > 0, kind
        assert (joined["created_at"] >= joined["acted_at"]).all(), kind
