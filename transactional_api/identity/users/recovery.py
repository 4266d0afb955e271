"""Account recovery: emails report changes of access, and their link undoes the change and revokes all other access.

``docs/reference/accounts.md`` lists the removed access.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core import mailer
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import (
    LinkedAccount,
    OAuthApp,
    OAuthCode,
    OneTimeToken,
    PushDevice,
    SecondFactor,
    User,
)
from transactional_api.core.jobs import queue
from transactional_api.core.mailer import letters
from transactional_api.core.security.passwords import NO_PASSWORD
from transactional_api.core.viewer import language_of
from transactional_api.identity.users import sessions
from transactional_api.identity.users.schemas import Undone
from transactional_api.identity.users.tokens import LIFETIME, Purpose, consume, issue, link


class Change(StrEnum):
    """A change of the access to an account."""

    PASSWORD = "password"  # noqa: S105 (a kind of change)
    SECOND_FACTOR_ON = "second_factor_on"
    SECOND_FACTOR_OFF = "second_factor_off"
    LINK = "link"
    DEVICE = "device"
    SESSION = "session"
    APP = "app"


async def notify_change(
    session: AsyncSession,
    *,
    user_id: UUID,
    change: Change,
    detail: str = "",
    was: Mapping[str, Any] | None = None,
) -> None:
    """Queue an email that reports a change and offers to undo it; unverified addresses receive none.

    Args:
        session: the email is queued when its transaction commits.
        user_id: owner of the account.
        change: kind of change.
        detail: trusted text, such as the name of a login service; never user input.
        was: the state that an undo restores.
    """
    changed_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
    await queue.defer(
        session,
        send_change,
        user_id=str(user_id),
        change=change.value,
        detail=detail,
        changed_at=changed_at,
        was=dict(was or {}),
    )


@queue.task("users.send_change")
async def send_change(
    context: AppContext, *, user_id: str, change: str, detail: str, changed_at: str, was: dict[str, Any]
) -> None:
    """Send the email with a token that undoes the change once."""
    async with context.transaction() as session:
        verified = select(User.id).where(User.id == UUID(user_id), User.is_active.is_(True), User.verified.is_(True))
        if await session.scalar(verified) is None:
            return
        token = await issue(session, user_id=UUID(user_id), purpose=Purpose.UNDO, change={"kind": change, "was": was})
        language = await language_of(session, UUID(user_id))
        subject = letters.render(f"change.{change}.subject", language)
        sentence = letters.render(f"change.{change}.text", language, detail=detail, changed_at=changed_at)
        undo_text = letters.render("change.undo", language)
        body = f"{sentence}\n\n{undo_text}\n\n{link(context.settings, purpose=Purpose.UNDO, token=token)}\n"
        await mailer.enqueue(session, user_id=UUID(user_id), subject=subject, text=body)


async def undo(session: AsyncSession, *, token: str) -> Undone:
    """Undo a change, revoke all access, invalidate the password and return a token to reset it.

    Raises:
        EmailTokenError: when the token is not valid.
    """
    proof = await consume(session, token=token, purpose=Purpose.UNDO)
    user = await session.get_one(User, proof.user_id, with_for_update={"key_share": True})
    kind, was = Change(proof.change["kind"]), proof.change["was"]
    if kind is Change.SECOND_FACTOR_ON:
        on = SecondFactor.confirmed_at == datetime.fromisoformat(was["confirmed_at"])
        await session.execute(delete(SecondFactor).where(SecondFactor.user_id == user.id, on))
    elif kind is Change.SECOND_FACTOR_OFF:
        before = was | {"confirmed_at": datetime.fromisoformat(was["confirmed_at"])}
        restored = upsert(SecondFactor).values(user_id=user.id, **before)
        await session.execute(restored.on_conflict_do_update(index_elements=["user_id"], set_=before))
    elif kind is Change.LINK:
        await session.execute(delete(LinkedAccount).where(LinkedAccount.user_id == user.id).filter_by(**was))
    await revoke_access(session, user=user)
    user.password_hash = NO_PASSWORD
    await session.flush()
    fresh = await issue(session, user_id=user.id, purpose=Purpose.RESET_PASSWORD)
    return Undone(password_reset_token=fresh, expires_in=int(LIFETIME[Purpose.RESET_PASSWORD].total_seconds()))


async def revoke_access(session: AsyncSession, *, user: User) -> None:
    """Revoke all access to an account before its owner sets a new password.

    | access | verified address | unverified address |
    |---|---|---|
    | sessions of the user and of apps, authorization codes, push devices | removed | removed |
    | links to login services | removed, unless the account has no password | removed |
    | second factor | stays: an email alone must not bypass it | removed |
    | registered apps, one-time tokens | stay | removed |
    """
    tables: list[Any] = [OAuthCode, PushDevice]
    if not user.verified:
        tables += [SecondFactor, LinkedAccount, OneTimeToken]
        await session.execute(delete(OAuthApp).where(OAuthApp.owner_id == user.id))
    elif user.password_hash != NO_PASSWORD:
        tables.append(LinkedAccount)
    for table in tables:
        await session.execute(delete(table).where(table.user_id == user.id))
    await sessions.end_all(session, user_id=user.id)
