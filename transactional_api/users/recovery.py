"""Recovery of an account: letters tell of changes to its access, a link in them undoes a change, and strangers go.

What a recovery removes is listed in ``docs/accounts.md``.
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

from transactional_api.db.tables import (
    LinkedAccount,
    OAuthApp,
    OAuthCode,
    OneTimeToken,
    PushDevice,
    SecondFactor,
    User,
)
from transactional_api.jobs import queue
from transactional_api.mail import letters
from transactional_api.resources import Resources
from transactional_api.users import sessions
from transactional_api.users.passwords import NO_PASSWORD
from transactional_api.users.schemas import Undone
from transactional_api.users.tokens import LIFETIME, Purpose, issue, link, spend


class Change(StrEnum):
    """A change of the ways into an account."""

    PASSWORD = "password"  # noqa: S105 (a kind of change)
    SECOND_FACTOR_ON = "second_factor_on"
    SECOND_FACTOR_OFF = "second_factor_off"
    LINK = "link"
    DEVICE = "device"
    SESSION = "session"
    APP = "app"


_TOLD = {
    Change.PASSWORD: ("Your password was changed", "The password of your account was changed"),
    Change.SECOND_FACTOR_ON: ("Your second factor was turned on", "A second factor was turned on for your account"),
    Change.SECOND_FACTOR_OFF: ("Your second factor was turned off", "The second factor of your account was turned off"),
    Change.LINK: ("A new way to log in", "Your account was linked to another service, which can now log in to it:"),
    Change.DEVICE: ("Notifications on a new device", "A browser or phone was added to your account for notifications"),
    Change.SESSION: ("A new login", "Somebody logged in to your account on a device or network that is new to it"),
    Change.APP: ("An app can use your account", "An app was allowed to use your account"),
}
_OFFER = (
    "If this was you, there is nothing to do. If not, open this link within three days. It takes the change back, "
    "logs out every device and app, makes the password void and lets you set a new one:"
)


async def tell(
    session: AsyncSession,
    *,
    user_id: UUID,
    change: Change,
    detail: str = "",
    was: Mapping[str, Any] | None = None,
) -> None:
    """Queue a letter that tells of a change and offers to undo it; addresses that are not confirmed get none.

    Args:
        session: its transaction decides.
        user_id: whose account.
        change: which kind.
        detail: a word of ours, such as a provider's name; never a stranger's words.
        was: what undoing needs to know.
    """
    moment = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
    await queue.defer(
        session,
        send,
        user_id=str(user_id),
        change=change.value,
        detail=detail,
        moment=moment,
        was=dict(was or {}),
    )


@queue.task("users.tell_of_change")
async def send(
    resources: Resources, *, user_id: str, change: str, detail: str, moment: str, was: dict[str, Any]
) -> None:
    """Send the letter, with a token that undoes the change once."""
    async with resources.transaction() as session:
        confirmed = select(User.id).where(User.id == UUID(user_id), User.is_active.is_(True), User.verified.is_(True))
        if await session.scalar(confirmed) is None:
            return
        token = await issue(session, user_id=UUID(user_id), purpose=Purpose.UNDO, change={"kind": change, "was": was})
        subject, words = _TOLD[Change(change)]
        sentence = " ".join(part for part in (words, detail, f"on {moment} UTC.") if part)
        text = f"{sentence}\n\n{_OFFER}\n\n{link(resources.settings, purpose=Purpose.UNDO, token=token)}\n"
        await letters.post(session, user_id=UUID(user_id), subject=subject, text=text)


async def undo(session: AsyncSession, *, token: str) -> Undone:
    """Take a change back, evict everybody, make the password void and begin to set a new one.

    Raises:
        LetterTokenError: when the token is not good.
    """
    spent = await spend(session, token=token, purpose=Purpose.UNDO)
    user = await session.get_one(User, spent.user_id, with_for_update={"key_share": True})
    kind, was = Change(spent.change["kind"]), spent.change["was"]
    if kind is Change.SECOND_FACTOR_ON:
        on = SecondFactor.confirmed_at == datetime.fromisoformat(was["confirmed_at"])
        await session.execute(delete(SecondFactor).where(SecondFactor.user_id == user.id, on))
    elif kind is Change.SECOND_FACTOR_OFF:
        before = was | {"confirmed_at": datetime.fromisoformat(was["confirmed_at"])}
        restored = upsert(SecondFactor).values(user_id=user.id, **before)
        await session.execute(restored.on_conflict_do_update(index_elements=["user_id"], set_=before))
    elif kind is Change.LINK:
        await session.execute(delete(LinkedAccount).where(LinkedAccount.user_id == user.id).filter_by(**was))
    await evict(session, user=user)
    user.password_hash = NO_PASSWORD
    await session.flush()
    fresh = await issue(session, user_id=user.id, purpose=Purpose.RESET_PASSWORD)
    return Undone(password_reset_token=fresh, expires_in=int(LIFETIME[Purpose.RESET_PASSWORD].total_seconds()))


async def evict(session: AsyncSession, *, user: User) -> None:
    """End whatever else reaches an account, before its owner sets a new password.

    Sessions of people and apps, codes that apps were promised, and devices go. So do links to other services, unless
    the account never had a password and is reached by them. The second factor of a confirmed address stays: a letter
    alone must not get past it. Of an address that was never confirmed nothing is known to be its owner's: the second
    factor, every link, apps that were registered and tokens of letters go as well.
    """
    mine: list[Any] = [OAuthCode, PushDevice]
    if not user.verified:
        mine += [SecondFactor, LinkedAccount, OneTimeToken]
        await session.execute(delete(OAuthApp).where(OAuthApp.owner_id == user.id))
    elif user.password_hash != NO_PASSWORD:
        mine.append(LinkedAccount)
    for table in mine:
        await session.execute(delete(table).where(table.user_id == user.id))
    await sessions.end_all(session, user_id=user.id)
