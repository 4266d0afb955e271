"""Unsubscription from emails by their own link: one click (RFC 8058), without a login, by topic or from all."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from enum import StrEnum
from html import escape
from typing import NamedTuple
from urllib.parse import quote
from uuid import UUID

from cryptography.fernet import InvalidToken
from fastapi.responses import HTMLResponse
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.localization import Language
from neighborconnect.settings import Settings
from transactional_api.community.notifications.rendering import texts, topic_name
from transactional_api.core.audit import trail
from transactional_api.core.db.tables import DeliverySchedule, NotificationPreference, User
from transactional_api.core.errors import Problem
from transactional_api.core.notices import Channel, NoticeKind
from transactional_api.core.security.field_encryption import FieldCipher, UnknownKeyError

DIGEST = "digest"
"""Topic of the daily digest; every other topic is a kind of notice."""
_PURPOSE = "unsubscribe"
_TOPICS = frozenset({DIGEST, *NoticeKind})
_STYLE = (
    "body{font-family:system-ui,sans-serif;max-width:30rem;margin:3rem auto;padding:0 1rem;line-height:1.5}"
    "button{font:inherit;padding:.5rem 1.2rem;margin:1rem .5rem 0 0}"
)
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


class UnsubscribeScope(StrEnum):
    """Emails to stop."""

    TOPIC = "topic"
    ALL = "all"


class Subscription(NamedTuple):
    """Emails to one user about one topic."""

    user_id: UUID
    topic: str


class UnsubscribeTokenError(Problem):
    """The token was not issued by this API."""

    status, code, title = (
        422,
        "unsubscribe_token_invalid",
        "This link is invalid; change your preferences in the settings",
    )


def issue_token(cipher: FieldCipher, subscription: Subscription) -> str:
    """Return the token of a subscription, encrypted and authenticated against forgery."""
    return cipher.encrypt(f"{_PURPOSE} {subscription.user_id} {subscription.topic}")


def read_token(cipher: FieldCipher, token: str) -> Subscription:
    """Return the subscription of a token.

    Raises:
        UnsubscribeTokenError: when the token is invalid.
    """
    try:
        purpose, user_id, topic = cipher.decrypt(token).split(" ")
        if purpose != _PURPOSE or topic not in _TOPICS:
            raise UnsubscribeTokenError
        return Subscription(UUID(user_id), topic)
    except (InvalidToken, UnknownKeyError, ValueError):
        raise UnsubscribeTokenError from None


def link(settings: Settings, cipher: FieldCipher, subscription: Subscription) -> str:
    """Return the unsubscribe URL of a subscription."""
    base = (settings.public_api_url or settings.public_url).rstrip("/")
    return f"{base}/api/v1/notifications/unsubscribe/{quote(issue_token(cipher, subscription), safe='')}"


def headers(url: str) -> dict[str, str]:
    """Return the headers for one-click unsubscription in mail clients."""
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


async def is_subscribed(session: AsyncSession, subscription: Subscription) -> bool:
    """Return whether the user still receives emails about the topic."""
    if subscription.topic == DIGEST:
        hour = select(DeliverySchedule.digest_hour).where(DeliverySchedule.user_id == subscription.user_id)
        return await session.scalar(hour) is not None
    opt_out = select(NotificationPreference.user_id).where(
        NotificationPreference.user_id == subscription.user_id,
        NotificationPreference.kind == subscription.topic,
        NotificationPreference.channel == Channel.EMAIL.value,
        NotificationPreference.is_enabled.is_(False),
    )
    return await session.scalar(opt_out) is None


async def unsubscribe(session: AsyncSession, subscription: Subscription, *, scope: UnsubscribeScope) -> None:
    """Stop the emails of a subscription, or all emails; no effect for a closed account.

    The digest replaces the emails of every kind, so unsubscribing from it stops all of them.
    """
    user_id, topic = subscription
    account = select(User.id).where(User.id == user_id, User.is_active.is_(True)).with_for_update(key_share=True)
    if await session.scalar(account) is None:
        return
    trail.acts(session, user_id)
    all_kinds = scope is UnsubscribeScope.ALL or topic == DIGEST
    rows = [
        {"user_id": user_id, "kind": kind, "channel": Channel.EMAIL.value, "is_enabled": False}
        for kind in (sorted(kind.value for kind in NoticeKind) if all_kinds else [topic])
    ]
    opt_outs = insert(NotificationPreference).values(rows)
    await session.execute(
        opt_outs.on_conflict_do_update(index_elements=["user_id", "kind", "channel"], set_={"is_enabled": False})
    )
    if all_kinds:
        await session.execute(
            update(DeliverySchedule).where(DeliverySchedule.user_id == user_id).values(digest_hour=None)
        )


def confirmation_page(topic: str, language: Language) -> HTMLResponse:
    """Return the page that asks which emails to stop. Fetching it changes nothing, since programs prefetch links."""
    if topic == DIGEST:
        stop = texts.render("page.stop_digest", language)
    else:
        stop = texts.render("page.stop_topic", language, topic=topic_name(topic, language))
    return _page(
        language,
        "page.title",
        f'<form method="post"><button name="scope" value="topic">{escape(stop)}</button>'
        f'<button name="scope" value="all">{escape(texts.render("page.stop_all", language))}</button></form>'
        f"<p>{escape(texts.render('page.still', language))}",
    )


def done_page(language: Language) -> HTMLResponse:
    """Return the page that confirms the change."""
    return _page(language, "page.done.title", f"<p>{escape(texts.render('page.done', language))}")


def _page(language: Language, title_code: str, body: str) -> HTMLResponse:
    title = escape(texts.render(title_code, language))
    html = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<meta name="robots" content="noindex"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1>{body}</html>"
    )
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})
