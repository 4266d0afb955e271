"""Letters: sent through SMTP where a server is named, else laid down in the home's ``mail`` folder."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, make_msgid
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

import aiosmtplib
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from transactional_api.db.tables import User
from transactional_api.jobs import queue
from transactional_api.resources import Resources
from transactional_api.users.sealing import email_of

SMTP_SECONDS = 10.0
_SMTPS_PORT, _SMTP_PORT = 465, 587


@queue.task("mail.send", priority=queue.Priority.URGENT)
async def send(resources: Resources, *, user_id: str, subject: str, text: str, confirmed_only: bool = True) -> None:
    """Send one letter to a person whose account is open; a server that does not answer is tried again."""
    async with resources.transaction() as session:
        user = await session.scalar(select(User).where(User.id == UUID(user_id), User.is_active.is_(True)))
    if user is not None and (user.verified or not confirmed_only):
        to = email_of(resources.vault, user)
        await send_now(resources.settings, to=to, subject=subject, text=text)


async def send_now(settings: Settings, *, to: str, subject: str, text: str) -> None:
    """Send one letter; for jobs that will not know the address any more.

    Raises:
        aiosmtplib.SMTPException, OSError: when the server does not take it.
    """
    letter = EmailMessage(policy=policy.SMTP)
    letter["From"], letter["To"], letter["Subject"] = settings.mail_from, to, subject
    letter["Date"], letter["Message-ID"] = format_datetime(datetime.now(UTC)), make_msgid(domain="neighborconnect")
    letter.set_content(text)
    if settings.smtp_url is None:
        await asyncio.to_thread(_lay_down, letter, folder(settings))
    else:
        await _hand_over(letter, url=settings.smtp_url)


async def post(
    session: AsyncSession,
    *,
    user_id: UUID,
    subject: str,
    text: str,
    at: datetime | None = None,
    confirmed_only: bool = True,
) -> None:
    """Queue a letter if and when the session's transaction commits; ``text`` is plain, lines end with a newline.

    The address is looked up when the letter leaves, so that the queue holds none. One that nobody confirmed may be a
    stranger's: it gets only letters that let its owner confirm it or take the account over.
    """
    await queue.defer(
        session, send, at=at, user_id=str(user_id), confirmed_only=confirmed_only, subject=subject, text=text
    )


def folder(settings: Settings) -> Path:
    """Return where letters lie that no server took."""
    return settings.neighborconnect_home / "mail"


def lying(settings: Settings) -> list[EmailMessage]:
    """Return the letters in the folder, the oldest first."""
    files = sorted(folder(settings).glob("*.eml"))
    return [BytesParser(EmailMessage, policy=policy.default).parsebytes(file.read_bytes()) for file in files]


def burn(settings: Settings, *, to: str) -> int:
    """Remove every letter to an address from the folder; returns how many."""
    number = 0
    for file in sorted(folder(settings).glob("*.eml")):
        if BytesParser(EmailMessage, policy=policy.default).parsebytes(file.read_bytes())["To"] == to:
            file.unlink()
            number += 1
    return number


def _lay_down(letter: EmailMessage, place: Path) -> None:
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}"
    unfinished = place / f"{name}.tmp"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(letter.as_bytes())
    unfinished.rename(place / f"{name}.eml")


async def _hand_over(letter: EmailMessage, *, url: str) -> None:
    server = urlsplit(url)
    encrypted = server.scheme == "smtps"
    await aiosmtplib.send(
        letter,
        hostname=server.hostname or "localhost",
        port=server.port or (_SMTPS_PORT if encrypted else _SMTP_PORT),
        username=unquote(server.username) if server.username else None,
        password=unquote(server.password) if server.password else None,
        use_tls=encrypted,
        timeout=SMTP_SECONDS,
    )
