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
from uuid import uuid4

import aiosmtplib
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from transactional_api.jobs import queue
from transactional_api.resources import Resources

SMTP_SECONDS = 10.0
_SMTPS_PORT, _SMTP_PORT = 465, 587


@queue.task("mail.send")
async def send(resources: Resources, *, to: str, subject: str, text: str) -> None:
    """Send one letter; a server that does not answer is tried again."""
    letter = EmailMessage(policy=policy.SMTP)
    letter["From"], letter["To"], letter["Subject"] = resources.settings.mail_from, to, subject
    letter["Date"], letter["Message-ID"] = format_datetime(datetime.now(UTC)), make_msgid(domain="neighborconnect")
    letter.set_content(text)
    if resources.settings.smtp_url is None:
        await asyncio.to_thread(_lay_down, letter, folder(resources.settings))
    else:
        await _hand_over(letter, url=resources.settings.smtp_url)


async def post(session: AsyncSession, *, to: str, subject: str, text: str, at: datetime | None = None) -> None:
    """Queue a letter if and when the session's transaction commits; ``text`` is plain, lines end with a newline."""
    await queue.defer(session, send, at=at, to=to, subject=subject, text=text)


def folder(settings: Settings) -> Path:
    """Return where letters lie that no server took."""
    return settings.neighborconnect_home / "mail"


def lying(settings: Settings) -> list[EmailMessage]:
    """Return the letters in the folder, the oldest first."""
    files = sorted(folder(settings).glob("*.eml"))
    return [BytesParser(EmailMessage, policy=policy.default).parsebytes(file.read_bytes()) for file in files]


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
