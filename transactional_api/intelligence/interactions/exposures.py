"""Items that a user was shown or opened, so that feeds do not repeat them.

They are stored in PostgreSQL rather than Redis: an opened post stays excluded for ``OPENED_DAYS`` days, whatever cache
is lost. Only for users who consent to personalization; withdrawal of the consent deletes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import InteractionKind
from neighborconnect.feed.eligibility import LONG_DWELL_MS
from transactional_api.intelligence.interactions.schemas import Interaction

# Sorted, so that concurrent batches of one user cannot deadlock.
_UPSERT = text(
    "INSERT INTO item_exposures (user_id, item_kind, item_id, shown_at, opened_at) "
    "SELECT :user_id, kind, id, shown, opened FROM unnest("
    "CAST(:kinds AS text[]), CAST(:ids AS uuid[]), CAST(:shown AS timestamptz[]), CAST(:opened AS timestamptz[])"
    ") AS seen (kind, id, shown, opened) ORDER BY kind, id "
    "ON CONFLICT (user_id, item_kind, item_id) DO UPDATE SET "
    "shown_at = greatest(item_exposures.shown_at, excluded.shown_at), "
    "opened_at = greatest(item_exposures.opened_at, excluded.opened_at)"
)


def is_opening(interaction: Interaction) -> bool:
    """Return whether the user opened the item: a click, or a dwell of at least ``LONG_DWELL_MS``."""
    if interaction.kind is InteractionKind.DWELL:
        return (interaction.dwell_ms or 0) >= LONG_DWELL_MS
    return interaction.kind is InteractionKind.CLICK


async def record(
    session: AsyncSession, *, user_id: UUID, interactions: Iterable[Interaction], received_at: datetime
) -> None:
    """Store the latest impression and opening of each item, in one statement."""
    shown: dict[tuple[str, UUID], datetime] = {}
    opened: dict[tuple[str, UUID], datetime] = {}
    for interaction in interactions:
        # A client clock that is ahead must not extend the exclusion.
        key, at = (str(interaction.item_kind), interaction.item_id), min(interaction.occurred_at, received_at)
        if interaction.kind is InteractionKind.IMPRESSION:
            shown[key] = max(at, shown.get(key, at))
        elif is_opening(interaction):
            opened[key] = max(at, opened.get(key, at))
    keys = list({**shown, **opened})
    if keys:
        values = {
            "user_id": user_id,
            "kinds": [kind for kind, _ in keys],
            "ids": [item_id for _, item_id in keys],
            "shown": [shown.get(key) for key in keys],
            "opened": [opened.get(key) for key in keys],
        }
        await session.execute(_UPSERT, values)
