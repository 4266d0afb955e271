"""Emails about notifications: to verified addresses only, each with an unsubscribe link.

Jobs contain no text. It is rendered when the email is sent, if the recipient may still see it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.localization import Language
from neighborconnect.telemetry import get_logger
from transactional_api.community.notifications import rendering, unsubscribe
from transactional_api.community.notifications.rendering import texts
from transactional_api.community.notifications.unread import unread_of
from transactional_api.community.notifications.unsubscribe import DIGEST, Subscription
from transactional_api.core import mailer
from transactional_api.core.app_context import AppContext
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER
from transactional_api.core.db.tables import Notification, User
from transactional_api.core.jobs import queue
from transactional_api.core.notices import NoticeKind
from transactional_api.core.security.personal_data import email_of
from transactional_api.core.viewer import language_of
from transactional_api.identity.users import tokens
from transactional_api.identity.users.tokens import Purpose

REMINDER_INTERVAL = timedelta(days=30)
"""Minimum interval between two reminders to verify an address."""
_NEWS = {NoticeKind.MENTIONED.value: "email.verify.mentioned"}
MAX_DIGEST_LINES = 20

log = get_logger(__name__)


@queue.task("notifications.send_email", priority=queue.Priority.NOTICE)
async def send_email(context: AppContext, *, user_id: str, notification_id: str) -> None:
    """Send one notification as an email, if the recipient may still see it."""
    viewer = replace(VIEWER_PLACEHOLDER, id=UUID(user_id))
    async with context.transaction() as session:
        language = await language_of(session, viewer.id)
        notification = await rendering.find(
            session, viewer=viewer, language=language, notification_id=UUID(notification_id)
        )
    if notification is None:
        return
    text = f"{notification.title}\n\n{notification.body}\n" if notification.body else f"{notification.title}\n"
    await send_to(
        context, user_id=viewer.id, topic=notification.kind, subject=notification.title, text=text, language=language
    )


@queue.task("notifications.send_digest", priority=queue.Priority.NOTICE)
async def send_digest(context: AppContext, *, user_id: str, since: str) -> None:
    """Send one user's daily digest, unless there is no new notification that they may see."""
    viewer = replace(VIEWER_PLACEHOLDER, id=UUID(user_id))
    unread = unread_of(viewer) & (Notification.created_at > datetime.fromisoformat(since))
    newest = rendering.listed(viewer).where(unread).order_by(Notification.created_at.desc()).limit(MAX_DIGEST_LINES)
    async with context.transaction() as session:
        language = await language_of(session, viewer.id)
        titles = [rendering.render(row, language).title for row in await session.execute(newest)]
        count = await session.scalar(select(func.count()).select_from(Notification).where(unread)) or 0
    if not titles:
        return
    left = count - len(titles)
    more = f"\n{texts.render('email.digest.more', language, count=left)}\n" if left > 0 else ""
    text = "".join(f"- {title}\n" for title in titles) + more
    subject = texts.render("email.digest", language, count=count)
    await send_to(
        context,
        user_id=viewer.id,
        topic=DIGEST,
        subject=subject,
        text=text,
        language=language,
        reminder_subject=subject,
    )


async def send_to(
    context: AppContext,
    *,
    user_id: UUID,
    topic: str,
    subject: str,
    text: str,
    language: Language,
    reminder_subject: str | None = None,
) -> None:
    """Send an email; to an unverified address, send a request to verify it instead, at most once per interval.

    Verification and subscription are checked when the email is sent.

    Args:
        context: context of the process.
        user_id: id of the recipient.
        topic: kind of the notification, or ``unsubscribe.DIGEST``.
        subject: subject of the email.
        text: text of the email.
        language: language of the link to unsubscribe and of the verification request.
        reminder_subject: subject of the verification request; it must not contain text of another user.
    """
    subscription = Subscription(user_id, topic)
    async with context.transaction() as session:
        user = await session.scalar(select(User).where(User.id == subscription.user_id, User.is_active.is_(True)))
        if user is None or not await unsubscribe.is_subscribed(session, subscription):
            return
    if user.verified:
        await _send_to(context, user, subscription, subject=subject, text=text, language=language)
    elif await _may_remind(context, user_id=user.id):
        try:
            async with context.transaction() as session:
                text = await _reminder(context, session, subscription, language)
            subject = reminder_subject or texts.render("email.verify.subject", language)
            await _send_to(context, user, subscription, subject=subject, text=text, language=language)
        except BaseException:
            await _allow_reminder(context, user_id=user.id)
            raise


async def _send_to(
    context: AppContext, user: Any, subscription: Subscription, *, subject: str, text: str, language: Language
) -> None:
    address = unsubscribe.link(context.settings, context.cipher, subscription)
    await mailer.send_now(
        context.settings,
        to=email_of(context.cipher, user),
        subject=subject,
        text=f"{text}\n--\n{texts.render('email.unsubscribe', language, link=address)}\n",
        headers=unsubscribe.headers(address),
    )


async def _may_remind(context: AppContext, *, user_id: UUID) -> bool:
    """Return whether a reminder is due; never while Redis is unavailable."""
    try:
        seconds = int(REMINDER_INTERVAL.total_seconds())
        return bool(await context.redis.set(_reminder_key(user_id), b"1", nx=True, ex=seconds))
    except RedisError as error:
        log.warning("emails.reminder_skipped", error=type(error).__name__)
        return False


async def _allow_reminder(context: AppContext, *, user_id: UUID) -> None:
    """Allow the next reminder after a failed one."""
    try:
        await context.redis.delete(_reminder_key(user_id))
    except RedisError as error:
        log.warning("emails.reminder_not_reset", error=type(error).__name__)


def _reminder_key(user_id: UUID) -> str:
    return f"user:{user_id}:reminded"


async def _reminder(context: AppContext, session: AsyncSession, subscription: Subscription, language: Language) -> str:
    """Return the text of a verification request, without text of other users: the address may be a stranger's."""
    token = await tokens.issue(session, user_id=subscription.user_id, purpose=Purpose.VERIFY_EMAIL)
    confirm = tokens.link(context.settings, purpose=Purpose.VERIFY_EMAIL, token=token)
    news = texts.render(_NEWS.get(subscription.topic, "email.verify.news"), language)
    asked, not_yours = (texts.render(f"email.verify.{part}", language) for part in ("text", "not_yours"))
    return f"{news}\n\n{asked}\n\n{confirm}\n\n{not_yours}\n"
