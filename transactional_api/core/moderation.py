"""Interface between slices and moderation: kinds of subjects, their registry, and the request to screen a text.

A slice registers each kind of content that users can report: its row, owner, text, visibility, and how it is hidden.
Moderation reads only the registry and imports no slice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from neighborconnect.contracts.content import Highlight, Verdict
from transactional_api.core.db.tables import Connector
from transactional_api.core.jobs import queue
from transactional_api.core.viewer import Viewer


class SubjectKind(StrEnum):
    """Kinds of content that can be reported."""

    USER = "user"
    CONNECTOR = "connector"
    POST = "post"
    COMMENT = "comment"
    EVENT = "event"
    ITEM = "item"
    REVIEW = "review"
    MESSAGE = "message"
    UPLOAD = "upload"
    STORY = "story"
    REEL = "reel"
    SELLER_REVIEW = "seller_review"
    APP = "app"


class Outcome(StrEnum):
    """Outcome of a decision. Hidden content can be shown again; removed content is restored only by an appeal."""

    KEEP = "keep"
    LABEL = "label"
    HIDE = "hide"
    REMOVE = "remove"
    SUSPEND = "suspend"


class CaseState(StrEnum):
    """State of a case."""

    OPEN = "open"
    DECIDED = "decided"


MAX_WORDS = 20_000
"""Characters of a text that a case stores; longer than any text that is screened."""

PART_CHARACTERS, PART_OVERLAP = 5_000, 200
"""The content model receives parts of a text; the overlap prevents splitting a phrase."""
SEVERITY = {Verdict.ALLOW: 0, Verdict.REVIEW: 1, Verdict.BLOCK: 2}

Counted = tuple[InstrumentedAttribute[UUID], InstrumentedAttribute[UUID], InstrumentedAttribute[int]]
"""Foreign key to the counting row, the id of that row, and its counter."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of subject. ``counted_in`` is a counter of another row, which excludes hidden subjects."""

    row_id: InstrumentedAttribute[UUID]
    owner: InstrumentedAttribute[Any]
    words: tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...]
    visible: Callable[[Viewer], Select[Any]]
    is_active: InstrumentedAttribute[bool] | None
    counted_in: Counted | None = None
    may_hold: ColumnElement[bool] | None = None
    """Condition for hiding a subject without a moderator; None means always."""
    after_hiding: Callable[[AsyncSession, UUID], Awaitable[None]] | None = None
    """Called with the id after a moderator's decision hides a subject."""

    @property
    def text(self) -> ColumnElement[str]:
        """Text of the row of the enclosing statement, one column per line."""
        return func.concat_ws("\n", *self.words)

    async def find(self, session: AsyncSession, *, viewer: Viewer, subject_id: UUID) -> Any | None:
        """Return the ``owner_id`` and ``words`` of a subject that the viewer may see, or None."""
        columns = (self.owner.label("owner_id"), self.text.label("words"))
        statement = self.visible(viewer).with_only_columns(*columns).where(self.row_id == subject_id)
        return (await session.execute(statement)).one_or_none()

    async def hold(self, session: AsyncSession, *, subject_id: UUID) -> bool:
        """Hide a subject until a moderator decides, if allowed; return whether this call hid it."""
        if self.may_hold is not None and not await session.scalar(
            select(self.may_hold).where(self.row_id == subject_id)
        ):
            return False
        return await self.show(session, subject_id=subject_id, on=False)

    async def show(self, session: AsyncSession, *, subject_id: UUID, on: bool) -> bool:
        """Hide a subject from everyone, or show it again; return whether that changed the row."""
        if self.is_active is None:
            return False
        table = self.row_id.class_
        changed = (
            update(table).where(self.row_id == subject_id, self.is_active.is_(not on)).values(is_active=on)
        ).execution_options(synchronize_session=False)
        if self.counted_in is None:
            return await session.scalar(changed.returning(self.row_id)) is not None
        key, counted_id, counter = self.counted_in
        counting_row_id = await session.scalar(changed.returning(key))
        if counting_row_id is None:
            return False
        count = (
            update(counter.class_).where(counted_id == counting_row_id).values({counter: counter + (1 if on else -1)})
        )
        await session.execute(count.execution_options(synchronize_session=False))
        return True


SUBJECTS: dict[SubjectKind, Subject] = {}
"""Registered subjects. Messages are visible only to members of the conversation, and users are suspended together with
their apps: none of these can be hidden."""


def register(kind: SubjectKind, subject: Subject) -> Subject:
    """Register a kind of subject, once per process.

    Raises:
        ValueError: when the kind is already registered.
    """
    if kind in SUBJECTS:
        raise ValueError(f"The subject {kind} is registered twice")
    SUBJECTS[kind] = subject
    return subject


SCREEN = queue.JobReference("moderation.screen", lane=queue.Lane.MODELS)
"""Screens the text of a subject with the content model."""


TRIAGE = queue.JobReference("moderation.triage", lane=queue.Lane.MODELS)
"""Classifies the text of a reported case, so that moderators see urgent cases first."""


async def request_screening(session: AsyncSession, kind: SubjectKind, subject_id: UUID) -> None:
    """Queue the screening of a subject's text when the session's transaction commits."""
    await queue.defer(session, SCREEN, kind=kind.value, subject_id=str(subject_id))


def parts_of(text: str) -> list[tuple[int, str]]:
    """Return the overlapping parts that cover a text, each with the offset of its first character."""
    step = PART_CHARACTERS - PART_OVERLAP
    return [
        (start, text[start : start + PART_CHARACTERS]) for start in range(0, max(1, len(text) - PART_OVERLAP), step)
    ]


def in_whole_text(highlights: Iterable[Highlight], *, offset: int) -> list[Highlight]:
    """Return the highlights of a part that begins at ``offset``, with their positions in the whole text."""
    return [span.model_copy(update={"begin": offset + span.begin, "end": offset + span.end}) for span in highlights]


def in_visible_connector(
    table: Any, connector_id: Any, visible: Callable[[Viewer], ColumnElement[bool]]
) -> Callable[[Viewer], Select[Any]]:
    """Return the statement, by viewer, of the rows of a table whose connector satisfies ``visible``."""

    def statement(viewer: Viewer) -> Select[Any]:
        return select(table).join(Connector, Connector.id == connector_id).where(visible(viewer))

    return statement
