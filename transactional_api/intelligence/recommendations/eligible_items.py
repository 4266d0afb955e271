"""Items that a feed may still serve to a user, by the rules of serving: the statements of its candidates, and the mask.

``python -m transactional_api.intelligence.recommendations.eligible_items`` reads user ids from standard input, one per
line, and prints one JSON object per user and kind of item. ``neighborconnect judge feeds`` compares feeds with it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import ReportableKind
from neighborconnect.feed.eligibility import Exclusion
from neighborconnect.settings import SettingsError, get_settings
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER
from transactional_api.core.db.session import create_engine
from transactional_api.core.db.statements import SessionRunner
from transactional_api.core.db.tables import Connector, Event, MarketplaceItem, Post
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations.masking import mask_among
from transactional_api.intelligence.recommendations.offers import offered_events, offered_items
from transactional_api.intelligence.recommendations.queries import recommendable_connectors, recommendable_posts

_RECOMMENDABLE: Final[Mapping[ReportableKind, tuple[Callable[[Viewer], Select[Any]], Any]]] = {
    ReportableKind.POST: (recommendable_posts, Post.id),
    ReportableKind.CONNECTOR: (recommendable_connectors, Connector.id),
    ReportableKind.EVENT: (offered_events, Event.id),
    ReportableKind.ITEM: (offered_items, MarketplaceItem.id),
}


@dataclass(frozen=True, slots=True)
class EligibleItems:
    """Visible items of one kind for one user.

    Attributes:
        eligible: items that may be served.
        shown: items that are served only after all others, the least recently shown first.
        excluded: items that are never served, each with its reason.
    """

    eligible: list[UUID]
    shown: list[UUID]
    excluded: dict[UUID, Exclusion]


async def eligible_items(session: AsyncSession, *, user_id: UUID, kind: ReportableKind) -> EligibleItems:
    """Return the visible items of a kind by their eligibility for a user's feed, in no particular order."""
    recommendable, id_column = _RECOMMENDABLE[kind]
    viewer = replace(VIEWER_PLACEHOLDER, id=user_id)
    visible = list((await session.scalars(recommendable(viewer).with_only_columns(id_column))).all())
    mask = await mask_among(SessionRunner(session), viewer=viewer, item_kind=kind.value, ids=visible)
    eligible, shown = mask.split(visible)
    return EligibleItems(eligible=eligible, shown=shown, excluded=dict(mask.excluded))


async def _print_all(user_ids: list[UUID]) -> None:
    engine = create_engine(get_settings().database_url)
    try:
        async with AsyncSession(engine) as session:
            for user_id in user_ids:
                for kind in _RECOMMENDABLE:
                    items = await eligible_items(session, user_id=user_id, kind=kind)
                    line = {
                        "user_id": str(user_id),
                        "item_kind": kind.value,
                        "eligible": [str(item_id) for item_id in items.eligible],
                        "shown": [str(item_id) for item_id in items.shown],
                        "excluded": {str(item_id): reason.value for item_id, reason in items.excluded.items()},
                    }
                    sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
                sys.stdout.buffer.flush()
                await session.rollback()
    finally:
        await engine.dispose()


def main() -> None:
    """Print the eligible items of the users on standard input."""
    try:
        asyncio.run(_print_all([UUID(line.strip()) for line in sys.stdin if line.strip()]))
    except SettingsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
