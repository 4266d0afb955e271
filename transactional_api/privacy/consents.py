"""What people allow us to use what we know of them for; the newest word of theirs holds at once."""

from __future__ import annotations

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.privacy import GRANTED_UNTIL_WITHDRAWN, Purpose
from transactional_api.auth import Viewer
from transactional_api.db.tables import Consent, User
from transactional_api.paging import Page, PageRequest
from transactional_api.privacy.schemas import ConsentOut, ConsentsOut, SaidOut

# What every request asks for is a column of the account beside the history.
_COLUMNS = {Purpose.PERSONALISATION: User.personalised, Purpose.ANALYTICS: User.analysed}


async def current(session: AsyncSession, *, viewer: Viewer) -> ConsentsOut:
    """Return what holds for every purpose."""
    newest = (
        select(Consent.purpose, Consent.granted, Consent.created_at)
        .where(Consent.user_id == viewer.id)
        .distinct(Consent.purpose)
        .order_by(Consent.purpose, Consent.created_at.desc(), Consent.id.desc())
    )
    said = {row.purpose: row for row in await session.execute(newest)}
    return ConsentsOut(
        consents=[
            ConsentOut(
                purpose=purpose,
                granted=said[purpose].granted if purpose in said else purpose in GRANTED_UNTIL_WITHDRAWN,
                said_at=said[purpose].created_at if purpose in said else None,
            )
            for purpose in Purpose
        ]
    )


async def say(session: AsyncSession, *, viewer: Viewer, purpose: Purpose, granted: bool) -> ConsentsOut:
    """Keep what the viewer says to a purpose; saying the same again changes nothing."""
    # Two words of one person are kept one after the other, so that the history tells which came last.
    await session.execute(select(User.id).where(User.id == viewer.id).with_for_update(key_share=True))
    present = {one.purpose: one for one in (await current(session, viewer=viewer)).consents}[purpose]
    if present.granted is not granted or present.said_at is None:
        await session.execute(insert(Consent).values(user_id=viewer.id, purpose=purpose, granted=granted))
        if purpose in _COLUMNS:
            await session.execute(update(User).where(User.id == viewer.id).values({_COLUMNS[purpose]: granted}))
    return await current(session, viewer=viewer)


async def history(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[SaidOut]:
    """List what the viewer said, the last first."""
    statement = select(Consent).where(Consent.user_id == viewer.id)
    rows = (await session.scalars(page.select(statement, at=Consent.created_at, row_id=Consent.id))).all()
    return page.of(rows, SaidOut.model_validate)
