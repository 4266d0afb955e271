"""Statements for recommendable and popular items, and for the viewer's acts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    DateTime,
    Select,
    and_,
    any_,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute

from neighborconnect.contracts.events import ItemKind, ReportableKind
from neighborconnect.feed.eligibility import IMPRESSION_DAYS
from transactional_api.community.connectors import queries as connectors
from transactional_api.community.posts import queries as posts
from transactional_api.core.compiled_queries import IDS, LIMIT, uuid_param
from transactional_api.core.db.tables import (
    Comment,
    Connector,
    ConnectorMember,
    Event,
    EventAttendee,
    Follow,
    HiddenItem,
    ItemExposure,
    JoinRequest,
    MarketplaceItem,
    Post,
    PostLike,
    Purchase,
    Reaction,
    RecommendationFeedback,
    RecommendationPreferences,
    User,
)
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.intelligence.recommendations import standing

# Bounds the cost in a busy city; older events say little about current popularity.
RECENT_EVENTS = 20_000
RECENT_DAYS = 28
# Signals of ``recommendation_feedback``.
MORE, MUTE = "more_like_this", "mute"
_BEFORE = tuple_(bindparam("before", type_=DateTime(timezone=True)), uuid_param("before_id"))


def recommendable_posts(viewer: Viewer) -> Select[Any]:
    """Select the visible posts that neither the viewer nor the author keeps out; the mask excludes more."""
    return posts.visible_to(viewer).where(
        users.not_muted(viewer, Post.author_id),
        not_muted(viewer, Post.author_id),
        accepts_readers(viewer, Post.author_id),
    )


def recommendable_connectors(viewer: Viewer) -> Select[tuple[Connector]]:
    """Select the visible connectors of which the viewer mutes nothing; the mask excludes more."""
    return connectors.visible_to(viewer).where(not_muted(viewer))


def not_muted(viewer: Viewer, author: InstrumentedAttribute[UUID] | None = None) -> ColumnElement[bool]:
    """Whether the viewer wants recommendations from the connector, its category, and the author if given."""
    feedback = RecommendationFeedback
    muted = [feedback.item_id == Connector.id, feedback.category == func.search_fold(Connector.category)]
    if author is not None:
        muted.append(feedback.author_id == author)
    is_mute = (feedback.user_id == viewer.id) & (feedback.signal == MUTE)
    return ~exists().where(is_mute, or_(*muted)).correlate_except(feedback)


def accepts_readers(viewer: Viewer, author: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Whether the author lets strangers get what they write, or the viewer is none.

    A stranger neither belongs to the connector nor follows the author.
    """
    refuses = exists().where(
        RecommendationPreferences.user_id == author, RecommendationPreferences.recommend_my_content.is_(False)
    )
    return or_(
        ~refuses.correlate_except(RecommendationPreferences), connectors.is_member(viewer), follows(viewer, author)
    )


def follows(viewer: Viewer, author: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Whether the viewer follows the author of the enclosing statement."""
    return exists().where(Follow.follower_id == viewer.id, Follow.followee_id == author).correlate_except(Follow)


def has_followed_members(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer follows a member of the connector of the enclosing statement."""
    member = (ConnectorMember.connector_id == Connector.id) & (ConnectorMember.user_id == Follow.followee_id)
    return exists().where(member, Follow.follower_id == viewer.id).correlate_except(ConnectorMember, Follow)


def home_cell(viewer: Viewer) -> ColumnElement[str | None]:
    """H3 cell of the viewer's home."""
    return select(User.home_cell).where(User.id == viewer.id).correlate(None).scalar_subquery()


def preferences(viewer: Viewer) -> Select[Any]:
    """Select the viewer's preferences, in one row: the dials, the choice as an author, and the last reset."""
    stored = RecommendationPreferences
    dials = (stored.near, stored.friends, stored.discovery, stored.recency)
    return (
        select(
            *(func.coalesce(dial, 0.0).label(dial.key) for dial in dials),
            func.coalesce(stored.recommend_my_content, literal_column("true")).label("recommend_my_content"),
            User.personalization_reset_at,
        )
        .outerjoin(stored, stored.user_id == User.id)
        .where(User.id == viewer.id)
    )


def counts_since_reset(viewer: Viewer, at: ColumnElement[Any]) -> ColumnElement[bool]:
    """Condition: an act at this time is not before the viewer's last reset of personalization."""
    reset_at = select(User.personalization_reset_at).where(User.id == viewer.id).correlate(None).scalar_subquery()
    return at > func.coalesce(reset_at, literal_column("'-infinity'::timestamptz"))


def mutes(viewer: Viewer) -> Select[Any]:
    """Select ``connector_id, author_id, category`` of what the viewer mutes, newest first, up to the bound limit."""
    feedback = RecommendationFeedback
    return (
        select(feedback.item_id.label("connector_id"), feedback.author_id, feedback.category)
        .where(feedback.user_id == viewer.id, feedback.signal == MUTE)
        .order_by(feedback.created_at.desc())
        .limit(LIMIT)
    )


def is_personal_interest(viewer: Viewer) -> ColumnElement[bool]:
    """Condition: the connector's category is a stated interest of a viewer who consents to personalization."""
    consents = select(User.personalised).where(User.id == viewer.id).scalar_subquery()
    return and_(consents, connectors.of_interest(viewer))


def newest_posts(viewer: Viewer) -> Select[Any]:
    """Select ids of recommendable posts from ``since`` to before ``(before, before_id)``, newest first.

    ``is_member`` says whether the viewer belongs to the connector, ``is_interest`` whether they are interested in its
    category, ``is_public`` whether everybody sees it. Outside of the viewer's connectors, only posts of authors with a
    verified address are selected.
    """
    is_member = connectors.is_member(viewer)
    return (
        recommendable_posts(viewer)
        .with_only_columns(
            Post.id,
            Post.created_at,
            is_member.label("is_member"),
            is_personal_interest(viewer).label("is_interest"),
            Connector.is_public,
        )
        .where(
            tuple_(Post.created_at, Post.id) < _BEFORE,
            Post.created_at >= bindparam("since", type_=DateTime(timezone=True)),
            Post.author_id != viewer.id,
            or_(is_member, Post.author_id.in_(select(User.id).where(users.has_verified_email()))),
        )
        .order_by(Post.created_at.desc(), Post.id.desc())
        .limit(LIMIT)
    )


def newest_connectors(viewer: Viewer) -> Select[Any]:
    """Select ids of recommendable connectors, as ``newest_posts`` does."""
    return (
        recommendable_connectors(viewer)
        .with_only_columns(
            Connector.id,
            Connector.created_at,
            connectors.is_member(viewer).label("is_member"),
            is_personal_interest(viewer).label("is_interest"),
        )
        .where(
            tuple_(Connector.created_at, Connector.id) < _BEFORE,
            Connector.created_at >= bindparam("since", type_=DateTime(timezone=True)),
        )
        .order_by(Connector.created_at.desc(), Connector.id.desc())
        .limit(LIMIT)
    )


def acts(viewer: Viewer, *, item_kind: str) -> CompoundSelect[Any]:
    """Select ``act, id, at`` of all acts of the viewer with items of a kind, named as in ``feed.eligibility``."""
    exposed = (ItemExposure.user_id == viewer.id) & (ItemExposure.item_kind == item_kind)
    shown_since = func.now() - func.make_interval(0, 0, 0, IMPRESSION_DAYS)
    parts: list[Select[Any]] = [
        _act("hide", HiddenItem.item_id, HiddenItem.created_at).where(
            HiddenItem.user_id == viewer.id, HiddenItem.item_kind == item_kind
        ),
        _act("impression", ItemExposure.item_id, ItemExposure.shown_at).where(
            exposed, ItemExposure.shown_at > shown_since
        ),
        _act("click", ItemExposure.item_id, ItemExposure.opened_at).where(exposed, ItemExposure.opened_at.is_not(None)),
    ]
    if item_kind == ItemKind.POST:
        parts += [
            _act("like", PostLike.post_id, PostLike.created_at).where(PostLike.user_id == viewer.id),
            _act("reaction", Reaction.post_id, Reaction.created_at).where(Reaction.user_id == viewer.id),
            _act("comment", Comment.post_id, Comment.created_at).where(
                Comment.author_id == viewer.id, Comment.is_active.is_(True)
            ),
            _act("post", Post.id, Post.created_at).where(Post.author_id == viewer.id, Post.is_active.is_(True)),
        ]
    elif item_kind == ItemKind.CONNECTOR:
        parts += [
            _act("found", Connector.id, Connector.created_at).where(Connector.created_by == viewer.id),
            _act("join", ConnectorMember.connector_id, ConnectorMember.joined_at).where(
                ConnectorMember.user_id == viewer.id
            ),
            _act("request", JoinRequest.connector_id, JoinRequest.created_at).where(JoinRequest.user_id == viewer.id),
        ]
    elif item_kind == ItemKind.EVENT:
        answered = EventAttendee.user_id == viewer.id
        declined = EventAttendee.status == "declined"
        parts += [
            _act("host", Event.id, Event.created_at).where(Event.created_by == viewer.id),
            _act("rsvp", EventAttendee.event_id, EventAttendee.joined_at).where(answered, ~declined),
            _act("decline", EventAttendee.event_id, EventAttendee.joined_at).where(answered, declined),
        ]
    elif item_kind == ItemKind.ITEM:
        parts += [
            _act("sell", MarketplaceItem.id, MarketplaceItem.created_at).where(MarketplaceItem.seller_id == viewer.id),
            _act("purchase", Purchase.item_id, Purchase.created_at).where(
                Purchase.buyer_id == viewer.id, Purchase.status != "cancelled"
            ),
        ]
    return union_all(*parts)


def newest_acts(viewer: Viewer, *, item_kind: str) -> Select[Any]:
    """Select the newest acts, up to the bound limit."""
    every = acts(viewer, item_kind=item_kind).subquery()
    return select(every.c.act, every.c.id, every.c.at).order_by(every.c.at.desc()).limit(LIMIT)


def acts_with(viewer: Viewer, *, item_kind: str) -> Select[Any]:
    """Select the acts with the items ``ids``."""
    every = acts(viewer, item_kind=item_kind).subquery()
    return select(every.c.act, every.c.id, every.c.at).where(every.c.id == any_(IDS))


def hides(viewer: Viewer) -> Select[Any]:
    """Select ``at, sign, author_id, connector_id, category`` of the latest hides since a reset, up to the bound limit.

    ``sign`` is 1 for a hide, and -1 for a ``more_like_this``, which counts as its opposite. ``author_id`` is the
    author, host or seller; null for a connector.
    """
    feedback = RecommendationFeedback
    every = union_all(
        select(
            HiddenItem.item_kind, HiddenItem.item_id, HiddenItem.created_at, literal_column("1").label("sign")
        ).where(HiddenItem.user_id == viewer.id),
        select(feedback.kind, feedback.item_id, feedback.created_at, literal_column("-1")).where(
            feedback.user_id == viewer.id, feedback.signal == MORE
        ),
    ).subquery()
    counted = select(every).where(counts_since_reset(viewer, every.c.created_at))
    newest = counted.order_by(every.c.created_at.desc()).limit(LIMIT).subquery()
    kind, item_id = newest.c.item_kind, newest.c.item_id
    connector_id = case(
        (kind == ReportableKind.CONNECTOR.value, item_id),
        else_=func.coalesce(Post.connector_id, Event.connector_id, MarketplaceItem.connector_id),
    )
    author_id = func.coalesce(Post.author_id, Event.created_by, MarketplaceItem.seller_id)
    return (
        select(
            newest.c.created_at.label("at"),
            newest.c.sign,
            author_id.label("author_id"),
            Connector.id.label("connector_id"),
            Connector.category,
        )
        .select_from(newest)
        .outerjoin(Post, (kind == ReportableKind.POST.value) & (Post.id == item_id))
        .outerjoin(Event, (kind == ReportableKind.EVENT.value) & (Event.id == item_id))
        .outerjoin(MarketplaceItem, (kind == ReportableKind.ITEM.value) & (MarketplaceItem.id == item_id))
        .join(Connector, Connector.id == connector_id)
    )


def _act(name: str, item_id: Any, at: Any) -> Select[Any]:
    return select(literal_column(f"'{name}'").label("act"), item_id.label("id"), at.label("at"))


def stated_interests(viewer: Viewer) -> Select[Any]:
    """Select the stated interests of the viewer."""
    return select(User.interests).where(User.id == viewer.id)


def public_categories() -> Select[Any]:
    """Select the categories of public connectors."""
    return select(Connector.category).where(Connector.is_public.is_(True), Connector.is_active.is_(True)).distinct()


def popular(
    kind: ItemKind,
    *,
    neighborhood: str | None,
    city: str | None,
    limit: int,
    categories: Sequence[str] | None = None,
) -> Select[Any]:
    """Return ``id, near, town`` of public items by their latest likes or members; of these categories, if named.

    Those of the neighborhood count first, then those of the city (``town``), then everyone's, each person by their
    standing (``standing.weight``).
    """
    if kind is ItemKind.POST:
        event, item, at = PostLike, PostLike.post_id, PostLike.created_at
    else:
        event, item, at = ConnectorMember, ConnectorMember.connector_id, ConnectorMember.joined_at  # type: ignore[assignment]
    # Accounts that do not count must not fill the bounded window.
    recent = (
        select(item.label("item_id"), User.neighborhood, User.city, standing.weight().label("weight"))
        .join(User, User.id == event.user_id)
        .where(at > func.now() - func.make_interval(0, 0, 0, RECENT_DAYS), standing.counts())
        .order_by(at.desc())
        .limit(RECENT_EVENTS)
        .subquery()
    )
    everyone = func.sum(recent.c.weight)
    near, town = (
        func.coalesce(everyone.filter(column == literal(value)), 0.0).label(name)
        for name, column, value in (
            ("near", recent.c.neighborhood, neighborhood),
            ("town", recent.c.city, city),
        )
    )
    return (
        _public(kind, recent.c.item_id, near, town, categories=categories)
        .join(recent, recent.c.item_id == (Post.id if kind is ItemKind.POST else Connector.id))
        .group_by(recent.c.item_id)
        .order_by(near.desc(), town.desc(), everyone.desc(), recent.c.item_id)
        .limit(limit)
    )


def without_history(kind: ItemKind, *, limit: int, categories: Sequence[str] | None = None) -> Select[Any]:
    """Select ids of public items for feeds without recent activity: new posts, or large connectors."""
    if kind is ItemKind.POST:
        newest = _public(kind, Post.id, categories=categories)
        return newest.order_by(Post.created_at.desc(), Post.id.desc()).limit(limit)
    largest = (
        _public(kind, Connector.id, Connector.member_count, categories=categories)
        .order_by(Connector.member_count.desc(), Connector.id.desc())
        .limit(limit)
        .subquery()
    )
    members = (
        select(func.coalesce(func.sum(standing.weight()), 0.0))
        .select_from(ConnectorMember)
        .join(User, User.id == ConnectorMember.user_id)
        .where(ConnectorMember.connector_id == largest.c.id)
        .scalar_subquery()
    )
    return select(largest.c.id).order_by(members.desc(), largest.c.id.desc())


def _public(kind: ItemKind, *columns: Any, categories: Sequence[str] | None) -> Select[Any]:
    statement = select(*columns).where(Connector.is_public.is_(True), Connector.is_active.is_(True))
    if categories is not None:
        statement = statement.where(Connector.category.in_(categories))
    if kind is ItemKind.POST:
        return (
            statement.select_from(Post)
            .join(Connector, Connector.id == Post.connector_id)
            .where(Post.is_active.is_(True))
        )
    return statement.select_from(Connector)
