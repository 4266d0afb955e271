"""What a post's words name: tags, and people who are told that they are mentioned."""

from __future__ import annotations

import re
from uuid import UUID, uuid5

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer, usable
from transactional_api.connectors import queries as connectors
from transactional_api.db.tables import Connector, ConnectorMember, Post, PostTag, User
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.posts.schemas import PostBody

MAX_TAGS, MAX_MENTIONS = 20, 20
# A tag begins with a letter, so that "#1" is a number; neither begins inside a word, such as an address.
_TAG = re.compile(r"(?<![\w&/#])#([^\W\d_]\w{0,49})")
_MENTION = re.compile(r"(?<![\w@.])@([a-z0-9](?:[a-z0-9._-]{0,48}[a-z0-9])?)", re.IGNORECASE)


def tags_in(text: str) -> list[str]:
    """Return the tags of a text in lower case, each once, in their order."""
    return list(dict.fromkeys(tag.lower() for tag in _TAG.findall(text)))[:MAX_TAGS]


def mentions_in(text: str) -> list[str]:
    """Return the usernames that a text mentions in lower case, each once, in their order."""
    return list(dict.fromkeys(name.lower() for name in _MENTION.findall(text)))[:MAX_MENTIONS]


async def tag(session: AsyncSession, *, post_id: UUID, body: PostBody) -> None:
    """Keep the tags that the post has now, and no others."""
    await session.execute(delete(PostTag).where(PostTag.post_id == post_id))
    if found := tags_in(f"{body.title or ''} {body.content}"):
        await session.execute(insert(PostTag).values([{"post_id": post_id, "tag": one} for one in found]))


async def mention(session: AsyncSession, *, viewer: Viewer, post_id: UUID, text: str) -> None:
    """Tell those whom the text mentions, if they may see the post; nobody else learns of it."""
    names = mentions_in(text)
    if not names:
        return
    member = select(ConnectorMember.id).where(
        ConnectorMember.connector_id == Connector.id, ConnectorMember.user_id == User.id
    )
    public = Connector.is_public.is_(True) & ~connectors.is_banned(User.id)
    people = (
        select(User.id)
        .select_from(Post)
        .join(Connector, Connector.id == Post.connector_id)
        .join(User, User.username.in_(names))
        .where(Post.id == post_id, usable(), member.exists() | public)
    )
    user_ids = list(await session.scalars(people))
    if user_ids:
        await notify(
            session,
            Notice(
                # Of several mentions by one person around a post one is news.
                id=uuid5(post_id, f"mention {viewer.id}"),
                kind=NoticeKind.MENTIONED,
                actor_id=viewer.id,
                subject_kind="post",
                subject_id=post_id,
                title="A neighbour mentioned you",
                body=text[:500],
                user_ids=user_ids,
            ),
        )
