"""Texts of the notes of feeds: one per code and language, with the same parameters."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from neighborconnect.feed.notes import NoteCode, Notes, notes, render_note
from neighborconnect.localization import Language


def test_every_note_has_a_text_of_its_own_in_each_language() -> None:
    texts = {render_note(code, language=one, category="chess") for code in NoteCode for one in Language}
    assert len(texts) == len(NoteCode) * len(Language)
    assert not any("{" in text for text in texts)


@pytest.mark.parametrize("changes", [{"muted": None}, {"muted": {"en": "A {category}", "es": "B"}}])
def test_incomplete_notes_are_refused(changes: dict[str, dict[str, str] | None]) -> None:
    changed = {**notes().model_dump(mode="json"), **changes}
    with pytest.raises(ValidationError):
        Notes.model_validate({code: texts for code, texts in changed.items() if texts})
