"""A person's address, phone and home as columns: sealed where they are written, opened where they are needed."""

from __future__ import annotations

from typing import Any

import h3
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.places import HOME_CELL_RESOLUTION
from neighborconnect.telemetry import get_logger
from transactional_api.db.tables import User
from transactional_api.jobs import queue
from transactional_api.places import Point
from transactional_api.resources import Resources
from transactional_api.vault import Vault

BATCH = 500

log = get_logger(__name__)


def email_columns(vault: Vault, email: str) -> dict[str, str]:
    """Return what is kept of an address."""
    return {"email": vault.lookup(email), "email_sealed": vault.seal(email)}


def phone_columns(vault: Vault, phone: str | None) -> dict[str, str | None]:
    """Return what is kept of a phone number."""
    return {"phone": None, "phone_sealed": vault.seal(phone) if phone else None}


def home_columns(vault: Vault, home: Point | None) -> dict[str, str | None]:
    """Return what is kept of where a person lives: the place, sealed, and the cell that others may know."""
    if home is None:
        return {"home_sealed": None, "home_cell": None}
    return {
        "home_sealed": vault.seal(home.model_dump_json()),
        "home_cell": h3.latlng_to_cell(home.latitude, home.longitude, HOME_CELL_RESOLUTION),
    }


def has_email(vault: Vault, email: str) -> ColumnElement[bool]:
    """Whether the person of the enclosing statement has this address."""
    return User.email.in_([*vault.lookups(email), email])


def email_of(vault: Vault, user: Any) -> str:
    """Return the address of a row with ``email`` and ``email_sealed``."""
    return vault.open(user.email_sealed) if user.email_sealed else str(user.email)


def phone_of(vault: Vault, user: User) -> str | None:
    """Return a person's phone number."""
    return vault.open(user.phone_sealed) if user.phone_sealed else user.phone


def home_of(vault: Vault, user: User) -> Point | None:
    """Return where a person lives, if they said."""
    return Point.model_validate_json(vault.open(user.home_sealed)) if user.home_sealed else None


@queue.periodic("17 * * * *")
@queue.task("users.seal")
async def seal(resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Seal what is not sealed, or not with the first key."""
    sealed = 0
    while True:
        async with resources.transaction() as session:
            done = await seal_some(session, vault=resources.vault)
        sealed += done
        if done < BATCH:
            break
    if sealed:
        log.info("users.sealed", people=sealed)


async def seal_some(session: AsyncSession, *, vault: Vault) -> int:
    """Seal at most a batch of people anew; returns how many."""
    stale = (
        User.email_sealed.is_(None),
        User.phone.is_not(None),
        *(~column.startswith(vault.key_id) for column in (User.email_sealed, User.phone_sealed, User.home_sealed)),
    )
    people = await session.scalars(
        select(User)
        .where(User.erased_at.is_(None), or_(*stale))
        .order_by(User.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True, key_share=True)
    )
    done = 0
    for user in people:
        columns = email_columns(vault, email_of(vault, user)) | phone_columns(vault, phone_of(vault, user))
        if user.home_sealed:
            columns |= home_columns(vault, home_of(vault, user))
        for name, value in columns.items():
            setattr(user, name, value)
        done += 1
    await session.flush()
    return done
