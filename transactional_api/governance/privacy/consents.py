"""Consents by purpose; the newest decision applies to the next request."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.privacy import GRANTED_UNTIL_WITHDRAWN, Purpose
from transactional_api.core.db.tables import Consent, FeedDecision, ItemExposure, User
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.governance.privacy.schemas import ConsentOut, ConsentRecord, ConsentsOut

# Consents that every request reads are columns of the account, in addition to the history.
_COLUMNS = {Purpose.PERSONALIZATION: User.personalised, Purpose.ANALYTICS: User.analysed}


async def current(session: AsyncSession, *, viewer: Viewer) -> ConsentsOut:
    """Return the viewer's current consent for every purpose."""
    return await current_of(session, user_id=viewer.id)


async def current_of(session: AsyncSession, *, user_id: UUID) -> ConsentsOut:
    """Return the current consent of a user for every purpose."""
    newest = (
        select(Consent.purpose, Consent.granted, Consent.created_at)
        .where(Consent.user_id == user_id)
        .distinct(Consent.purpose)
        .order_by(Consent.purpose, Consent.created_at.desc(), Consent.id.desc())
    )
    decided = {row.purpose: row for row in await session.execute(newest)}
    return ConsentsOut(
        consents=[
            ConsentOut(
                purpose=purpose,
                granted=decided[purpose].granted if purpose in decided else purpose in GRANTED_UNTIL_WITHDRAWN,
                decided_at=decided[purpose].created_at if purpose in decided else None,
            )
            for purpose in Purpose
        ]
    )


async def decide(session: AsyncSession, *, viewer: Viewer, purpose: Purpose, granted: bool) -> ConsentsOut:
    """Store the viewer's decision on a purpose; repeating the current one changes nothing."""
    # The lock serializes decisions of one user, so that the history has a well-defined newest row.
    await session.execute(select(User.id).where(User.id == viewer.id).with_for_update(key_share=True))
    present = {consent.purpose: consent for consent in (await current(session, viewer=viewer)).consents}[purpose]
    if present.granted is not granted or present.decided_at is None:
        await session.execute(insert(Consent).values(user_id=viewer.id, purpose=purpose, granted=granted))
        if purpose in _COLUMNS:
            await session.execute(update(User).where(User.id == viewer.id).values({_COLUMNS[purpose]: granted}))
        if purpose is Purpose.PERSONALIZATION and not granted:
            await session.execute(delete(ItemExposure).where(ItemExposure.user_id == viewer.id))
        if purpose in _COLUMNS and not granted:
            tracked = select(User.id).where(User.id == viewer.id, or_(User.personalised, User.analysed))
            unwanted = delete(FeedDecision).where(FeedDecision.user_id == viewer.id, ~tracked.exists())
            await session.execute(unwanted)
    return await current(session, viewer=viewer)


async def history(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[ConsentRecord]:
    """List the viewer's decisions, newest first."""
    statement = select(Consent).where(Consent.user_id == viewer.id)
    rows = (await session.scalars(page.select(statement, at=Consent.created_at, row_id=Consent.id))).all()
    return page.of(rows, ConsentRecord.model_validate)
