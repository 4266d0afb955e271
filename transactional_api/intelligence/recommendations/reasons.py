"""Reasons of the items of a feed, and their texts for the viewer.

Titles and names are read under the viewer's permissions, in one statement for a page; where one is not visible, the
catalog has a text without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import any_, func, select

from neighborconnect.contracts import serving
from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.policy import ranking_policy
from neighborconnect.feed.reasons import MAX_REASONS, MIN_SHARE, ReasonCode, render
from neighborconnect.localization import Language
from transactional_api.community.connectors import queries as connectors
from transactional_api.community.posts import queries as posts
from transactional_api.core.compiled_queries import IDS, VIEWER_PLACEHOLDER
from transactional_api.core.db.statements import CompiledStatement, Reads
from transactional_api.core.db.tables import Connector, Post
from transactional_api.core.excerpts import excerpt
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations.schemas import ReasonOut

_TITLE_LENGTH: Final = 80
_READ_LENGTH: Final = 200
_TITLES: Final[Mapping[str, CompiledStatement]] = {
    ItemKind.POST: CompiledStatement(
        select(Post.id, func.coalesce(Post.title, func.left(Post.content, _READ_LENGTH)).label("title"))
        .join(Connector, Connector.id == Post.connector_id)
        .where(posts.may_see(VIEWER_PLACEHOLDER), Post.id == any_(IDS))
    ),
    # The texts state that the viewer is a member.
    ItemKind.CONNECTOR: CompiledStatement(
        connectors.visible_to(VIEWER_PLACEHOLDER)
        .with_only_columns(Connector.id, Connector.name.label("title"))
        .where(connectors.is_member(VIEWER_PLACEHOLDER), Connector.id == any_(IDS))
    ),
}
_PARAMETER: Final[Mapping[str, str]] = {ItemKind.POST: "title", ItemKind.CONNECTOR: "connector"}
_OF_AN_OLD_ITEM: Final = {
    ReasonCode.NEW: ReasonCode.EARLIER,
    ReasonCode.NEW_IN_YOUR_CONNECTORS: ReasonCode.IN_YOUR_CONNECTORS,
    ReasonCode.NEW_OF_YOUR_INTERESTS: ReasonCode.OF_YOUR_INTERESTS,
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Reason of one item, before its text.

    Attributes:
        code: a ``ReasonCode``; the model service may have newer ones.
        share: share of the item's score that it stands for.
        reference: post or connector that the text names.
        values: other parameters of the text.
    """

    code: str
    share: float = 1.0
    reference: UUID | None = None
    values: Mapping[str, object] = field(default_factory=dict)


def of_model(reasons: Sequence[serving.Reason]) -> tuple[Reason, ...]:
    """Return the reasons of the recommendation service."""
    return tuple(
        Reason(
            reason.code,
            reason.share,
            None if reason.item_id is None else UUID(reason.item_id),
            {} if reason.category is None else {"category": reason.category},
        )
        for reason in reasons
    )


def by_weight(weighted: Iterable[tuple[float, str, Mapping[str, object]]]) -> tuple[Reason, ...]:
    """Return the reasons of a score that is a sum of weights, the strongest first, with their shares.

    A weight with an empty code counts in the sum and is no reason.
    """
    positive = [(weight, code, values) for weight, code, values in weighted if weight > 0]
    total = sum(weight for weight, _, _ in positive)
    strongest = sorted((one for one in positive if one[1]), key=lambda one: -one[0])[:MAX_REASONS]
    return tuple(
        Reason(code, weight / total, values=values) for weight, code, values in strongest if weight / total >= MIN_SHARE
    )


class ReasonTexts:
    """Texts of the reasons of one page."""

    def __init__(self, viewer: Viewer, *, kind: str, language: Language, titles: Mapping[UUID, str]) -> None:
        self._viewer, self._kind, self._language, self._titles = viewer, kind, language, titles
        self._new_since = datetime.now(UTC) - timedelta(days=ranking_policy().fresh.days)

    @classmethod
    async def load(
        cls, reads: Reads, *, viewer: Viewer, kind: str, language: Language, reasons: Iterable[Sequence[Reason]]
    ) -> ReasonTexts:
        """Read the titles and names that the reasons of a page refer to."""
        ids = {reason.reference for of_item in reasons for reason in of_item if reason.reference is not None}
        titles = {}
        if ids and kind in _TITLES:
            rows = await _TITLES[kind].all(reads.runner, viewer_id=viewer.id, ids=list(ids))
            titles = {row.id: excerpt(" ".join(row.title.split()), _TITLE_LENGTH) for row in rows}
        return cls(viewer, kind=kind, language=language, titles=titles)

    def of_item(self, reasons: Sequence[Reason], *, item: Any, category: str, is_outside: bool) -> dict[str, Any]:
        """Return the fields ``reason`` and ``reasons`` of a recommended item.

        ``is_outside`` says that the viewer does not belong to its connector.
        """
        rendered: dict[ReasonCode, ReasonOut] = {}
        for reason in reasons:
            code = self._shown_code(reason.code, item=item, is_outside=is_outside)
            shown = render(code, language=self._language, values=self._values(reason, item=item, category=category))
            if shown is not None:
                # Where names are missing, two reasons may have the same text.
                rendered.setdefault(shown[0], ReasonOut(code=shown[0], text=shown[1], share=round(reason.share, 4)))
        if not rendered and (shown := render(ReasonCode.NEW_FOR_YOU, language=self._language, values={})):
            rendered[shown[0]] = ReasonOut(code=shown[0], text=shown[1], share=0.0)
        texts = list(rendered.values())
        return {"reason": texts[0].text, "reasons": texts}

    def _shown_code(self, code: str, *, item: Any, is_outside: bool) -> str:
        if self._kind == ItemKind.POST and code == ReasonCode.NEW and not is_outside:
            # The list of popular posts is shared by all viewers, and does not know who is a member.
            code = ReasonCode.NEW_IN_YOUR_CONNECTORS
        is_old = code in _OF_AN_OLD_ITEM and item.created_at < self._new_since
        return _OF_AN_OLD_ITEM[ReasonCode(code)] if is_old else code

    def _values(self, reason: Reason, *, item: Any, category: str) -> dict[str, object]:
        values: dict[str, object] = {
            "connector": getattr(item, "connector_name", None),
            "category": category,
            "neighborhood": self._viewer.neighborhood,
            "city": self._viewer.city,
            **reason.values,
        }
        if self._kind in _PARAMETER and reason.reference is not None:
            values[_PARAMETER[self._kind]] = self._titles.get(reason.reference)
        return values
