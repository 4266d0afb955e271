"""Notifications of a town's acts, as the platform's fan-out writes them: kinds, subjects and ids of notices are equal.

A notification is read at the next visit of its recipient; those without one in the last days are unread.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid5

import numpy as np
import polars as pl

from simulator.arrays import Floats, Ints, uuids
from simulator.columns import Ids, id_series, times
from simulator.conversations import Conversation
from simulator.endorsements import CommentLikes, PostReactions
from simulator.goods import Deal
from simulator.incidents import Incidents
from simulator.market_rows import seller_review_ids
from simulator.spec import DAY_SECONDS
from simulator.town import Reply, Town

_UNREAD_DAYS, _REMINDER, _LATE_READ = 3.0, 24 * 3_600.0, 20 * 3_600.0
_DECISION_TITLES = {
    "label": "A moderator added a label to your content",
    "hide": "A moderator hid your content",
    "remove": "A moderator removed your content",
    "suspend": "A moderator suspended your account",
}
_SCHEMA = {
    "user_id": pl.String,
    "notice_id": pl.String,
    "kind": pl.String,
    "actor_id": pl.String,
    "subject_kind": pl.String,
    "subject_id": pl.String,
    "source_kind": pl.String,
    "source_id": pl.String,
    "title": pl.String,
    "body": pl.String,
    "at": pl.Float64,
    "read_at": pl.Float64,
}


def notification_rows(
    town: Town,
    ids: Ids,
    *,
    reactions: PostReactions,
    comment_likes: CommentLikes,
    conversations: list[Conversation],
    incidents: Incidents,
) -> pl.DataFrame:
    """Return the rows of notifications in temporal order."""
    rng, end = town.spec.generator(31), town.spec.days * float(DAY_SECONDS)
    parts = [
        *_of_posts(town, ids, reactions, comment_likes, rng),
        *_of_events(town, ids, rng),
        *_of_deals(town, ids, rng),
        _of_follows(town, ids),
        _of_conversations(ids, conversations),
        _of_moderation(town, incidents, rng),
    ]
    rows = pl.concat([part.select(_columns(part)) for part in parts if len(part)])
    # Nobody is notified of their own act, and of an act once.
    rows = rows.filter(pl.col("actor_id").is_null() | (pl.col("actor_id") != pl.col("user_id")), pl.col("at") < end)
    rows = rows.unique(["user_id", "notice_id"], keep="first", maintain_order=True).sort("at", maintain_order=True)
    at = rows["at"].to_numpy()
    number = pl.DataFrame({"user_id": ids.users, "number": np.arange(town.people.count)})
    user = rows.select("user_id").join(number, on="user_id", how="left", maintain_order="left")["number"].to_numpy()
    visited = _next_visits(town, user, at)
    late = np.where(at < end - _UNREAD_DAYS * DAY_SECONDS, at + _LATE_READ * (0.1 + 0.9 * rng.random(len(at))), np.nan)
    read = np.where(np.isnan(visited), late, visited + 20.0)
    read = np.where(rows["kind"].to_numpy() == "message.created", rows["read_at"].to_numpy(), read)
    is_read = pl.lit(pl.Series(read < end))
    return rows.drop("at", "read_at").with_columns(
        id=id_series(uuids(rng, len(rows))),
        created_at=times(town.spec.start, at),
        read_at=pl.when(is_read).then(times(town.spec.start, np.nan_to_num(read))),
    )


def _columns(part: pl.DataFrame) -> list[pl.Expr]:
    defaults = {"title": "", "body": ""}
    return [
        (pl.col(name) if name in part.columns else pl.lit(defaults.get(name))).cast(kind).alias(name)
        for name, kind in _SCHEMA.items()
    ]


def _next_visits(town: Town, user: Ints, at: Floats) -> Floats:
    """Return the time of the next interaction of each person after a time; NaN without one."""
    acts = town.interactions
    order = np.lexsort((acts.at, acts.user))
    horizon = (town.spec.days + 30) * 2.0 * DAY_SECONDS
    keys = acts.user[order] * horizon + acts.at[order]
    index = np.searchsorted(keys, user * horizon + at, side="right")
    visit = np.minimum(index, len(keys) - 1)
    is_own = (index < len(keys)) & (acts.user[order][visit] == user)
    return np.where(is_own, acts.at[order][visit], np.nan)


def _notices(names: pl.Series, suffixes: pl.Series, pattern: str = "{}") -> list[str]:
    """Return the ids that the platform derives from a subject and its actor, so that an act notifies once."""
    return [
        str(uuid5(UUID(name), pattern.format(suffix)))
        for name, suffix in zip(names.to_list(), suffixes.to_list(), strict=True)
    ]


def _of_posts(
    town: Town, ids: Ids, reactions: PostReactions, comment_likes: CommentLikes, rng: np.random.Generator
) -> Iterator[pl.DataFrame]:
    author = town.posts.author
    for kind, user, post, at, pattern in (
        ("post.liked", town.likes.user, town.likes.post, town.likes.at, "{}"),
        ("post.reacted", reactions.user, reactions.post, reactions.at, "reaction {}"),
    ):
        actors, posts = ids.users.gather(user), ids.posts.gather(post)
        yield pl.DataFrame(
            {
                "user_id": ids.users.gather(author[post]),
                "notice_id": _notices(posts, actors, pattern),
                "actor_id": actors,
                "subject_id": posts,
                "at": at,
            }
        ).with_columns(kind=pl.lit(kind), subject_kind=pl.lit("post"))
    comments = town.comments
    liked = comment_likes.comment
    actors, sources = ids.users.gather(comment_likes.user), ids.comments.gather(liked)
    yield pl.DataFrame(
        {
            "user_id": ids.users.gather(comments.user[liked]),
            "notice_id": _notices(sources, actors),
            "actor_id": actors,
            "subject_id": ids.posts.gather(comments.post[liked]),
            "source_id": sources,
            "at": comment_likes.at,
        }
    ).with_columns(kind=pl.lit("comment.liked"), subject_kind=pl.lit("post"), source_kind=pl.lit("comment"))
    # The authors of the post and of the comment that was replied to.
    notices = id_series(uuids(rng, len(comments)))
    replies = np.flatnonzero(comments.parent >= 0)
    number = np.concatenate([np.arange(len(comments)), replies])
    to = np.concatenate([author[comments.post], comments.user[comments.parent[replies]]])
    yield pl.DataFrame(
        {
            "user_id": ids.users.gather(to),
            "notice_id": notices.gather(number),
            "actor_id": ids.users.gather(comments.user[number]),
            "subject_id": ids.posts.gather(comments.post[number]),
            "source_id": ids.comments.gather(number),
            "at": comments.at[number] + 1.0,
        }
    ).with_columns(kind=pl.lit("comment.created"), subject_kind=pl.lit("post"), source_kind=pl.lit("comment"))


def _of_follows(town: Town, ids: Ids) -> pl.DataFrame:
    follows = town.follows
    actors, to = ids.users.gather(follows.follower), ids.users.gather(follows.followee)
    return pl.DataFrame(
        {
            "user_id": to,
            "notice_id": _notices(to, actors),
            "actor_id": actors,
            "subject_id": actors,
            "at": follows.created,
        }
    ).with_columns(kind=pl.lit("user.followed"), subject_kind=pl.lit("user"))


def _of_events(town: Town, ids: Ids, rng: np.random.Generator) -> Iterator[pl.DataFrame]:
    """Yield the notices of new events to the members of the time, and the reminders of attendees a day before."""
    events, members, rsvps = town.events, town.memberships, town.rsvps
    notices = id_series(uuids(rng, len(events)))
    pairs = pl.DataFrame({"connector": members.connector, "user": members.user, "joined": members.joined}).join(
        pl.DataFrame({"connector": events.connector, "event": np.arange(len(events)), "created": events.created}),
        on="connector",
        maintain_order="right_left",
    )
    pairs = pairs.filter(pl.col("joined") < pl.col("created"))
    event = pairs["event"].to_numpy()
    yield pl.DataFrame(
        {
            "user_id": ids.users.gather(pairs["user"]),
            "notice_id": notices.gather(event),
            "actor_id": ids.users.gather(events.host[event]),
            "subject_id": ids.events.gather(event),
            "at": events.created[event] + 1.0,
        }
    ).with_columns(kind=pl.lit("event.created"), subject_kind=pl.lit("event"))
    remind = events.starts - _REMINDER
    start = times(town.spec.start, events.starts).to_list()
    own_ids = ids.events.to_list()
    reminders = [
        str(uuid5(UUID(own_ids[number]), start[number].isoformat())) if own_ids[number] else ""
        for number in range(len(events))
    ]
    due = np.isin(rsvps.status, (Reply.ATTENDING, Reply.MAYBE)) & (remind[rsvps.event] > events.created[rsvps.event])
    due &= rsvps.at < remind[rsvps.event]
    reminded = rsvps.take(due)
    yield pl.DataFrame(
        {
            "user_id": ids.users.gather(reminded.user),
            "notice_id": pl.Series(reminders).gather(reminded.event),
            "subject_id": ids.events.gather(reminded.event),
            "at": remind[reminded.event],
        }
    ).with_columns(kind=pl.lit("event.soon"), subject_kind=pl.lit("event"))


def _of_deals(town: Town, ids: Ids, rng: np.random.Generator) -> Iterator[pl.DataFrame]:
    market = town.marketplace
    goods, deals, reviews = market.goods, market.purchases, market.reviews
    seller = goods.seller[deals.goods]

    def notices(kind: str, to: Ints, actor: Ints, item: Ints, at: Floats) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "user_id": ids.users.gather(to),
                "notice_id": id_series(uuids(rng, len(at))),
                "actor_id": ids.users.gather(actor),
                "subject_id": ids.goods.gather(item),
                "at": at,
            }
        ).with_columns(kind=pl.lit(kind), subject_kind=pl.lit("item"))

    reserved = np.flatnonzero(goods.reserved_by >= 0)
    yield notices(
        "item.reserved", goods.seller[reserved], goods.reserved_by[reserved], reserved, goods.reserved_at[reserved]
    )
    yield notices("item.bought", seller, deals.buyer, deals.goods, deals.at + 1.0)
    for kind, status in (("purchase.completed", Deal.COMPLETED), ("purchase.cancelled", Deal.CANCELLED)):
        closed = np.flatnonzero(deals.status == status)
        yield notices(kind, deals.buyer[closed], seller[closed], deals.goods[closed], deals.closed[closed] + 1.0)
    purchase = reviews.purchase
    yield notices(
        "seller.reviewed", seller[purchase], deals.buyer[purchase], deals.goods[purchase], reviews.at + 1.0
    ).with_columns(subject_kind=pl.lit("seller_review"), subject_id=seller_review_ids(town))


def _of_conversations(ids: Ids, conversations: list[Conversation]) -> pl.DataFrame:
    """Return one notification per conversation and member, of the latest message of another."""
    users, rows = ids.users.to_list(), []
    for one in conversations:
        for member in one.members:
            others = [(nth, line) for nth, line in enumerate(one.lines, start=1) if line[1] != member]
            if not others:
                continue
            nth, (at, author, _) = others[-1]
            is_read = one.read[member] >= len(one.members) + nth
            rows.append(
                {"user_id": users[member], "notice_id": one.id, "actor_id": users[author], "subject_id": one.id}
                | {"at": at + 1.0, "read_at": at + 90.0 if is_read else None}
            )
    if not rows:
        return pl.DataFrame()
    return pl.DataFrame(rows, schema_overrides={"read_at": pl.Float64}, infer_schema_length=None).with_columns(
        kind=pl.lit("message.created"), subject_kind=pl.lit("conversation")
    )


def _of_moderation(town: Town, incidents: Incidents, rng: np.random.Generator) -> pl.DataFrame:
    rows = []
    cases = {row["id"]: row for row in incidents.rows.get("moderation_cases", [])}
    for decision in incidents.rows.get("moderation_decisions", []):
        case = cases[decision["case_id"]]
        at = (decision["created_at"] - town.spec.start) / timedelta(seconds=1) + 1.0
        if decision["outcome"] != "keep":
            notice = str(id_series(uuids(rng, 1))[0])
            title = _DECISION_TITLES[decision["outcome"]]
            rows.append(
                {"user_id": case["owner_id"], "notice_id": notice, "kind": "moderation.decided", "at": at}
                | {"subject_kind": "moderation_decision", "subject_id": decision["id"]}
                | {"title": title, "body": decision["rule"]}
            )
        rows += [
            {"user_id": report["reporter_id"], "notice_id": report["id"], "kind": "report.decided", "at": at}
            | {"subject_kind": "moderation_report", "subject_id": report["id"]}
            | {"title": "A moderator decided about your report", "body": ""}
            for report in incidents.rows["moderation_reports"]
            if report["case_id"] == case["id"]
        ]
    return pl.DataFrame(rows, infer_schema_length=None)
