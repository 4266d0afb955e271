"""The job that forgets a person, place by place as the registry has them.

Each place is seen to in a transaction of its own, together with its line on the receipt: a job that is killed goes on
where it was. What names the person in a table and has no step of its own here is deleted or unlinked as the registry
says, so a new table is forgotten as soon as it is registered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import column, delete, func, literal, select, table, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.privacy import PRODUCT, USERS, Fate, Place, Store
from neighborconnect.telemetry import get_logger
from transactional_api.db.tables import Erasure, User
from transactional_api.jobs import queue
from transactional_api.mail import letters
from transactional_api.media.objects import LINK_SECONDS
from transactional_api.media.stores import open_media
from transactional_api.privacy import words
from transactional_api.privacy.leaving import leave_connectors, leave_events, take_back_marks
from transactional_api.resources import Resources
from transactional_api.search import meanings, vocabulary
from transactional_api.users.sealing import email_of

log = get_logger(__name__)

Step = Callable[[AsyncSession, Erasure], Awaitable[int]]

STEPS: dict[str, Step] = {
    "connector_members.user_id": leave_connectors,
    "event_attendees.user_id": leave_events,
    **{f"{name}.user_id": take_back_marks(name) for name in ("post_likes", "comment_likes", "review_votes")},
    "meanings.subject_id": meanings.forget,
    "search_documents.subject_id": vocabulary.forget,
    **words.STEPS,
}
"""Places of the database where more is to do than to delete rows or to empty a column."""

# Links that objects can be written by, and a minute for one that is being written.
_LINKS_LIVE = timedelta(seconds=LINK_SECONDS + 60)

_OF_NOBODY = (
    *("avatar_url", "neighborhood", "city", "state", "country", "postal_code", "phone", "phone_sealed"),
    *("email_sealed", "home_sealed", "home_cell", "last_login", "suspended_until"),
)


@queue.task("privacy.forget", priority=queue.Priority.URGENT)
async def forget(resources: Resources, *, erasure_id: str) -> None:
    """Forget a person; done twice it changes nothing more."""
    async with resources.transaction() as session:
        erasure = await session.scalar(select(Erasure).where(Erasure.id == UUID(erasure_id)))
    if erasure is None or erasure.done_at is not None:
        return
    for place in PRODUCT:
        if place.name != "users":
            await _once(resources, erasure, place)
    await _tell(resources, erasure)
    async with resources.transaction() as session:
        await _empty_account(session, erasure)
        await _note(session, erasure, USERS, number=1)
        done = update(Erasure).where(Erasure.id == erasure.id).values(done_at=datetime.now(UTC))
        await session.execute(done.execution_options(synchronize_session=False))
        await queue.defer(session, sweep_late, at=datetime.now(UTC) + _LINKS_LIVE, erasure_id=erasure_id)
    # Until then the words are in the log of what is to be counted.
    await vocabulary.count_all(resources)
    log.info("person.forgotten", erasure=erasure_id)


@queue.task("privacy.sweep_late", priority=queue.Priority.URGENT)
async def sweep_late(resources: Resources, *, erasure_id: str) -> None:
    """Remove what was put by a link to write that was given out before the person was forgotten."""
    async with resources.transaction() as session:
        person = (await session.scalars(select(Erasure.user_id).where(Erasure.id == UUID(erasure_id)))).one()
    number = await open_media(resources).objects.remove_of(str(person))
    log.info("person.swept", erasure=erasure_id, objects=number)


async def _once(resources: Resources, erasure: Erasure, place: Place) -> None:
    """See to a place in one transaction with its line, unless the receipt has it."""
    async with resources.transaction() as session:
        receipt = await session.scalar(select(Erasure.receipt).where(Erasure.id == erasure.id).with_for_update())
        if any(line["place"] == place.label for line in receipt or []):
            return
        if place.store is Store.DATABASE:
            number: int | None = await _see_to(session, erasure, place)
        else:
            number = await _outside(resources, session, erasure, place)
        await _note(session, erasure, place, number=number)


async def _note(session: AsyncSession, erasure: Erasure, place: Place, *, number: int | None) -> None:
    line = {"place": place.label, "fate": place.fate, "number": number, "at": datetime.now(UTC).isoformat()}
    grown = Erasure.receipt.concat(literal([line], JSONB))
    noted = update(Erasure).where(Erasure.id == erasure.id).values(receipt=grown)
    await session.execute(noted.execution_options(synchronize_session=False))


async def _see_to(session: AsyncSession, erasure: Erasure, place: Place) -> int:
    step = STEPS.get(f"{place.name}.{place.person}")
    if step is not None:
        return await step(session, erasure)
    rows, whose = table(place.name), column(place.person) == erasure.user_id
    if place.fate is Fate.DELETED:
        return int((await session.execute(delete(rows).where(whose))).rowcount)  # type: ignore[attr-defined]
    if place.fate is Fate.UNLINKED:
        unlinked = update(table(place.name, column(place.person))).where(whose).values({place.person: None})
        return int((await session.execute(unlinked)).rowcount)  # type: ignore[attr-defined]
    return await session.scalar(select(func.count()).select_from(rows).where(whose)) or 0


async def _outside(resources: Resources, session: AsyncSession, erasure: Erasure, place: Place) -> int | None:
    person = str(erasure.user_id)
    if place.store is Store.DOCUMENTS:
        return await _documents(resources, place=place, person=person)
    if place.store is Store.OBJECTS:
        return await open_media(resources).objects.remove_of(str(person))
    if place.store is Store.REDIS and place.fate is Fate.DELETED:
        return await _in_redis(resources.redis, place=place, person=person)
    if place.store is Store.QUEUE:
        waiting = text(
            "DELETE FROM procrastinate_jobs WHERE status IN ('todo', 'failed') AND "
            "(args->>'user_id' = :person OR args->'notice'->>'actor_id' = :person)"
        )
        return int((await session.execute(waiting, {"person": person})).rowcount)  # type: ignore[attr-defined]
    if place.store is Store.MAIL:
        user = await session.get_one(User, erasure.user_id)
        return await asyncio.to_thread(letters.burn, resources.settings, to=email_of(resources.vault, user))
    return None


async def _in_redis(redis: Redis, *, place: Place, person: str) -> int:
    if place.person == "member":
        return int(await redis.zrem(place.name, person))
    return int(await redis.delete(place.name.replace("*", person)))


async def _documents(resources: Resources, *, place: Place, person: str) -> int:
    documents, number = open_media(resources).documents, 0
    while found := await documents.find(place.name, matching={place.person: person}, limit=100):
        for one in found:
            await documents.delete(place.name, document_id=one.id)
        number += len(found)
    return number


async def _tell(resources: Resources, erasure: Erasure) -> None:
    """Send the last letter, while the address is known; where there is no mail server it would only lie there."""
    if resources.settings.smtp_url is None:
        return
    async with resources.transaction() as session:
        user = await session.get_one(User, erasure.user_id)
        to = email_of(resources.vault, user)
    await letters.send_now(
        resources.settings,
        to=to,
        subject="Your account is gone",
        text="You asked us to forget you, and we have. The code that you were given shows the receipt.\n",
    )


async def _empty_account(session: AsyncSession, erasure: Erasure) -> None:
    """Leave an account that is nobody's: what others wrote beside this person's words still has somebody to name."""
    values: dict[str, Any] = dict.fromkeys(_OF_NOBODY) | {
        "email": f"erased-{erasure.id}",
        "username": f"erased-{erasure.id.hex[:20]}",
        "password_hash": "!",
        "first_name": "Former",
        "last_name": "Neighbour",
        "interests": [],
        "verified": False,
        "reputation": 0,
        "is_active": False,
        "personalised": False,
        "analysed": False,
        "role": "member",
        "erased_at": datetime.now(UTC),
        "updated_at": datetime.now(UTC),
    }
    await session.execute(update(User).where(User.id == erasure.user_id).values(values))
