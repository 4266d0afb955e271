"""Which items may be in a viewer's feed, and which are popular near them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, literal, select, union_all

from neighborconnect.contracts.events import ItemKind
from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.db.tables import Connector, ConnectorMember, HiddenItem, Post, PostLike, User
from transactional_api.posts import queries as posts
from transactional_api.prepared import MOST
from transactional_api.users import queries as users

# Bounds what one look at a busy town costs; older ones no longer say what is popular now.
RECENT_EVENTS = 20_000
RECENT_DAYS = 28


def _is_hidden(viewer: Viewer, kind: ItemKind, item_id: Any) -> ColumnElement[bool]:
    return exists().where(
        HiddenItem.user_id == viewer.id, HiddenItem.item_kind == kind.value, HiddenItem.item_id == item_id
    )


def recommendable_posts(viewer: Viewer) -> Select[Any]:
    """Return the posts that the viewer may see, did not write and did not hide, by nobody whom they mute."""
    return posts.visible_to(viewer).where(
        Post.author_id != viewer.id,
        users.not_muted(viewer, Post.author_id),
        ~_is_hidden(viewer, ItemKind.POST, Post.id).correlate(Post),
    )


def recommendable_connectors(viewer: Viewer) -> Select[tuple[Connector]]:
    """Return the connectors that the viewer may see, is not in, did not make and did not hide."""
    return connectors.visible_to(viewer).where(
        ~connectors.is_member(viewer),
        Connector.created_by.is_distinct_from(viewer.id),
        ~_is_hidden(viewer, ItemKind.CONNECTOR, Connector.id).correlate(Connector),
    )


def never_recommended(viewer: Viewer, *, kind: ItemKind) -> Select[Any]:
    """Return ids that a model must not rank for the viewer, the newest first, and how many as ``most``."""
    hidden = select(HiddenItem.item_id.label("id"), HiddenItem.created_at.label("at")).where(
        HiddenItem.user_id == viewer.id, HiddenItem.item_kind == kind.value
    )
    if kind is ItemKind.POST:
        own = [select(Post.id, Post.created_at).where(Post.author_id == viewer.id, Post.is_active.is_(True))]
    else:
        own = [
            select(Connector.id, Connector.created_at).where(Connector.created_by == viewer.id),
            select(ConnectorMember.connector_id, ConnectorMember.joined_at).where(ConnectorMember.user_id == viewer.id),
        ]
    every = union_all(hidden, *own).subquery()
    return select(every.c.id).group_by(every.c.id).order_by(func.max(every.c.at).desc()).limit(MOST)


def popular(kind: ItemKind, *, neighborhood: str | None, city: str | None, limit: int) -> Select[Any]:
    """Return ``id, near, town`` of public items by their latest likes or members.

    Those of the neighbourhood count first, then those of the city (``town``), then everyone's; people whose address
    nobody confirmed do not count.
    """
    if kind is ItemKind.POST:
        event, item, at = PostLike, PostLike.post_id, PostLike.created_at
    else:
        event, item, at = ConnectorMember, ConnectorMember.connector_id, ConnectorMember.joined_at  # type: ignore[assignment]
    recent = (
        select(item.label("item_id"), event.user_id)
        .where(at > func.now() - func.make_interval(0, 0, 0, RECENT_DAYS))
        .order_by(at.desc())
        .limit(RECENT_EVENTS)
        .subquery()
    )
    near = func.count().filter(User.neighborhood == literal(neighborhood)).label("near")
    town = func.count().filter(User.city == literal(city)).label("town")
    return (
        _public(kind, recent.c.item_id, near, town)
        .join(recent, recent.c.item_id == (Post.id if kind is ItemKind.POST else Connector.id))
        .join(User, (User.id == recent.c.user_id) & users.counts())
        .group_by(recent.c.item_id)
        .order_by(near.desc(), town.desc(), func.count().desc(), recent.c.item_id)
        .limit(limit)
    )


def without_history(kind: ItemKind, *, limit: int) -> Select[Any]:
    """Return ids of public items that fill a feed where nobody did anything lately: new posts, large connectors."""
    if kind is ItemKind.POST:
        return _public(kind, Post.id).order_by(Post.created_at.desc(), Post.id.desc()).limit(limit)
    largest = (
        _public(kind, Connector.id, Connector.member_count)
        .order_by(Connector.member_count.desc(), Connector.id.desc())
        .limit(limit)
        .subquery()
    )
    members = (
        select(func.count())
        .select_from(ConnectorMember)
        .join(User, (User.id == ConnectorMember.user_id) & users.counts())
        .where(ConnectorMember.connector_id == largest.c.id)
        .scalar_subquery()
    )
    return select(largest.c.id).order_by(members.desc(), largest.c.member_count.desc(), largest.c.id.desc())


def _public(kind: ItemKind, *columns: Any) -> Select[Any]:
    statement = select(*columns).where(Connector.is_public.is_(True), Connector.is_active.is_(True))
    if kind is ItemKind.POST:
        return (
            statement.select_from(Post)
            .join(Connector, Connector.id == Post.connector_id)
            .where(Post.is_active.is_(True))
        )
    return statement.select_from(Connector)
