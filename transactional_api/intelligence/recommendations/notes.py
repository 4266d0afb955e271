"""Notes of a feed: what the viewer's feedback does to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from neighborconnect.feed.notes import NoteCode, render_note
from neighborconnect.feed.policy import ranking_policy
from neighborconnect.feed.reranking import Dislikes
from neighborconnect.localization import Language
from transactional_api.intelligence.recommendations.schemas import NoteOut

RESET_NOTED: Final = timedelta(days=7)
"""Time for which answers state a reset of personalization."""
MAX_CATEGORIES: Final = 3
"""Most categories that the notes of a feed name."""


@dataclass(frozen=True, slots=True)
class Note:
    """A note before its text."""

    code: NoteCode
    category: str = ""
    date: str = ""

    def out(self, language: Language) -> NoteOut:
        """Return the note in a language."""
        return NoteOut(
            code=self.code, text=render_note(self.code, language=language, category=self.category, date=self.date)
        )


def notes_of(dislikes: Dislikes, *, has_mutes: bool, reset_at: datetime | None) -> list[Note]:
    """Return the notes of a feed, the strongest effect first; a reset is noted for a week."""
    least = ranking_policy().hides.noted
    strongest = sorted(dislikes.categories.items(), key=lambda pair: (-abs(pair[1]), pair[0]))[:MAX_CATEGORIES]
    notes = [
        Note(NoteCode.LESS_OF_CATEGORY if weight > 0 else NoteCode.MORE_OF_CATEGORY, category)
        for category, weight in strongest
        if abs(weight) >= least
    ]
    if reset_at is not None and reset_at > datetime.now(UTC) - RESET_NOTED:
        notes.insert(0, Note(NoteCode.RESET, date=f"{reset_at:%Y-%m-%d}"))
    return [*notes, Note(NoteCode.MUTED)] if has_mutes else notes
