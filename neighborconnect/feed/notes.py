"""Notes of a feed: what the feedback of its person does to it, in each language (``notes.toml``)."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from functools import cache
from importlib.resources import files

from pydantic import ConfigDict, RootModel, model_validator

from neighborconnect.localization import Language, Text


class NoteCode(StrEnum):
    """Codes of notes; each has a text in ``notes.toml``."""

    LESS_OF_CATEGORY = "less_of_category"
    MORE_OF_CATEGORY = "more_of_category"
    MUTED = "muted"
    RESET = "reset"


class Notes(RootModel[dict[NoteCode, Text]]):
    """All texts; every code has one."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _is_complete(self) -> Notes:
        if missing := set(NoteCode) - set(self.root):
            raise ValueError(f"codes without a text: {', '.join(sorted(missing))}")
        return self


@cache
def notes() -> Notes:
    """Return the published texts.

    Raises:
        pydantic.ValidationError: a text is missing, or a code is unknown.
    """
    text = (files("neighborconnect.feed") / "notes.toml").read_text("utf-8")
    return Notes.model_validate(tomllib.loads(text))


def render_note(code: NoteCode, *, language: Language, category: str = "", date: str = "") -> str:
    """Return the text of a note."""
    return notes().root[code].text(language).format(category=category, date=date)
