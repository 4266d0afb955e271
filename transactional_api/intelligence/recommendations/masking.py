"""Mask and hides of the viewer, read from PostgreSQL at each request, so that the latest acts count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from neighborconnect.contracts.serving import MAX_MUTED, Muted
from neighborconnect.feed.dials import Dials
from neighborconnect.feed.eligibility import RULES, Mask, mask_of
from neighborconnect.feed.policy import ranking_policy
from neighborconnect.feed.reranking import Dislikes
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER
from transactional_api.core.db.statements import BoundStatement, CompiledStatement, StatementRunner
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations import queries

MAX_HIDES: Final = 200
_DAY_SECONDS: Final = 86_400.0
_NEWEST: Final = {kind: CompiledStatement(queries.newest_acts(VIEWER_PLACEHOLDER, item_kind=kind)) for kind in RULES}
_WITH: Final = {kind: CompiledStatement(queries.acts_with(VIEWER_PLACEHOLDER, item_kind=kind)) for kind in RULES}
_HIDES: Final = CompiledStatement(queries.hides(VIEWER_PLACEHOLDER))
_PREFERENCES: Final = CompiledStatement(queries.preferences(VIEWER_PLACEHOLDER))
_MUTES: Final = CompiledStatement(queries.mutes(VIEWER_PLACEHOLDER))


def newest_acts(viewer: Viewer, *, item_kind: str, most: int) -> BoundStatement:
    """Return the statement of the viewer's newest acts, ``most`` of them, for ``mask_by``."""
    return _NEWEST[item_kind], {"viewer_id": viewer.id, "most": most}


def hides(viewer: Viewer) -> BoundStatement:
    """Return the statement of the viewer's newest hides and ``more_like_this``, for ``dislikes_by``."""
    return _HIDES, {"viewer_id": viewer.id, "most": MAX_HIDES}


def mutes(viewer: Viewer) -> BoundStatement:
    """Return the statement of the connectors and categories that the viewer mutes, for ``muted_by``."""
    return _MUTES, {"viewer_id": viewer.id, "most": MAX_MUTED}


def muted_by(rows: Sequence[Any]) -> Muted:
    """Return the muted connectors and categories of the rows of ``mutes``."""
    return Muted(
        connectors=[str(row.connector_id) for row in rows if row.connector_id is not None],
        categories=[row.category for row in rows if row.category is not None],
    )


def preferences(viewer: Viewer) -> BoundStatement:
    """Return the statement of the viewer's preferences, for ``dials_by`` and ``reset_by``."""
    return _PREFERENCES, {"viewer_id": viewer.id}


def dials_by(rows: Sequence[Any]) -> Dials:
    """Return the dials of the row of ``preferences``."""
    return Dials(*(getattr(rows[0], one.name) for one in fields(Dials))) if rows else Dials()


def reset_by(rows: Sequence[Any]) -> datetime | None:
    """Return the time of the last reset of personalization of the row of ``preferences``; None without one."""
    reset_at: datetime | None = rows[0].personalization_reset_at if rows else None
    return reset_at


async def mask_among(runner: StatementRunner, *, viewer: Viewer, item_kind: str, ids: Sequence[UUID]) -> Mask[UUID]:
    """Return the mask of the items ``ids`` by all acts of the viewer."""
    if not ids:
        return Mask()
    return mask_by(await _WITH[item_kind].all(runner, viewer_id=viewer.id, ids=list(ids)), item_kind=item_kind)


async def dislikes_of(runner: StatementRunner, *, viewer: Viewer) -> Dislikes:
    """Return the penalties of the viewer's hides less ``more_like_this``, weighted by age."""
    [rows] = await runner.fetch_pipelined(hides(viewer))
    return dislikes_by(rows)


def dislikes_by(rows: Sequence[Any]) -> Dislikes:
    """Return the penalties of the rows of ``hides``, weighted by age."""
    weigh, now = ranking_policy().hides.weight, datetime.now(UTC)
    authors, connectors, categories = (defaultdict[str, float](float) for _ in range(3))
    for row in rows:
        weight = row.sign * weigh((now - row.at).total_seconds() / _DAY_SECONDS)
        connectors[str(row.connector_id)] += weight
        categories[row.category] += weight
        if row.author_id is not None:
            authors[str(row.author_id)] += weight
    return Dislikes(authors=authors, connectors=connectors, categories=categories)


def mask_by(rows: Sequence[Any], *, item_kind: str) -> Mask[UUID]:
    """Return the mask of the rows of a statement of acts."""
    # The clock of the database may be ahead; its latest acts must count.
    at = max([datetime.now(UTC), *(row.at for row in rows)])
    return mask_of(((row.act, row.id, row.at) for row in rows), item_kind=item_kind, at=at)
