"""Emails: sent through SMTP if ``SMTP_URL`` is set, otherwise stored in the ``mail`` folder of the home directory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, make_msgid
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

import aiosmtplib
import idna
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.localization import load_texts
from neighborconnect.settings import Settings
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import User
from transactional_api.core.jobs import queue
from transactional_api.core.security.personal_data import email_of

letters = load_texts("transactional_api.core", "letters.toml")
"""Texts of emails about the account."""
SMTP_SECONDS = 10.0
# Links in headers exceed the conventional 78 characters of a line and must not be folded or encoded.
_WIRE = policy.SMTP.clone(max_line_length=998)
_SMTPS_PORT, _SMTP_PORT = 465, 587


@queue.task("emails.send", priority=queue.Priority.URGENT)
async def send(context: AppContext, *, user_id: str, subject: str, text: str, confirmed_only: bool = True) -> None:
    """Send an email to the user of an active account; the job is retried when the server does not respond."""
    async with context.transaction() as session:
        user = await session.scalar(select(User).where(User.id == UUID(user_id), User.is_active.is_(True)))
    if user is not None and (user.verified or not confirmed_only):
        to = email_of(context.cipher, user)
        await send_now(context.settings, to=to, subject=subject, text=text)


async def send_now(
    settings: Settings, *, to: str, subject: str, text: str, headers: Mapping[str, str] | None = None
) -> None:
    """Send an email immediately; for jobs after which the address is no longer known.

    Raises:
        aiosmtplib.SMTPException, OSError: when the server rejects the email, or lacks SMTPUTF8 for an address with
            a non-ASCII local part.
    """
    to = wire_address(to)
    email = EmailMessage(policy=_WIRE if to.isascii() else _WIRE.clone(utf8=True))
    # Collapse every kind of line break: titles are text of other users.
    email["From"], email["To"], email["Subject"] = settings.mail_from, to, " ".join(subject.split())
    for name, value in (headers or {}).items():
        email[name] = value
    email["Date"], email["Message-ID"] = format_datetime(datetime.now(UTC)), make_msgid(domain="neighborconnect")
    email.set_content(text)
    if settings.smtp_url is None:
        await asyncio.to_thread(_store, email, folder(settings))
    else:
        await _deliver(email, url=settings.smtp_url)


def wire_address(address: str) -> str:
    """Return an address with its domain in ASCII (IDNA), which every server accepts."""
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    return f"{local}@{idna.encode(domain, uts46=True).decode()}"


async def enqueue(
    session: AsyncSession,
    *,
    user_id: UUID,
    subject: str,
    text: str,
    at: datetime | None = None,
    confirmed_only: bool = True,
) -> None:
    """Queue an email when the session's transaction commits; ``text`` is plain text, lines end with a newline.

    The address is read when the email is sent, so the queue contains none. An unverified address may belong to a
    stranger: it receives only emails that verify it or recover the account (``confirmed_only=False``).
    """
    await queue.defer(
        session, send, at=at, user_id=str(user_id), confirmed_only=confirmed_only, subject=subject, text=text
    )


def folder(settings: Settings) -> Path:
    """Return the folder of emails stored without an SMTP server."""
    return settings.neighborconnect_home / "mail"


def list_stored(settings: Settings) -> list[EmailMessage]:
    """Return the stored emails, oldest first."""
    files = sorted(folder(settings).glob("*.eml"))
    return [BytesParser(EmailMessage, policy=policy.default).parsebytes(file.read_bytes()) for file in files]


def purge(settings: Settings, *, to: str) -> int:
    """Remove every stored email to an address; return their number."""
    number, spellings = 0, {to, wire_address(to)}
    for file in sorted(folder(settings).glob("*.eml")):
        if BytesParser(EmailMessage, policy=policy.default).parsebytes(file.read_bytes())["To"] in spellings:
            file.unlink()
            number += 1
    return number


def _store(email: EmailMessage, target: Path) -> None:
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}"
    unfinished = target / f"{name}.tmp"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(email.as_bytes())
    unfinished.rename(target / f"{name}.eml")


async def _deliver(email: EmailMessage, *, url: str) -> None:
    server = urlsplit(url)
    encrypted = server.scheme == "smtps"
    await aiosmtplib.send(
        email,
        hostname=server.hostname or "localhost",
        port=server.port or (_SMTPS_PORT if encrypted else _SMTP_PORT),
        username=unquote(server.username) if server.username else None,
        password=unquote(server.password) if server.password else None,
        use_tls=encrypted,
        timeout=SMTP_SECONDS,
    )
