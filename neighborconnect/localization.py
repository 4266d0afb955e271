"""Texts that people read, in each language: catalogs (``*.toml``) with one entry per code.

To add a language, add a member to ``Language`` and a field to ``Text``; loading a catalog then fails until every code
has the text. A translation keeps the parameters.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from enum import StrEnum
from functools import cache, cached_property
from importlib.resources import files
from string import Formatter
from typing import Final

from pydantic import BaseModel, ConfigDict, RootModel, model_validator


class Language(StrEnum):
    """Languages of the texts, by their code (BCP 47)."""

    ENGLISH = "en"
    SPANISH = "es"


DEFAULT_LANGUAGE: Final = Language.ENGLISH


class Plural(BaseModel):
    """Text by number: ``one`` for a ``count`` of 1, ``other`` for all others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    one: str
    other: str


class Text(BaseModel):
    """Texts of one code, with the same parameters in each language; only a text for 1 may omit ``count``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    en: str | Plural
    es: str | Plural

    def text(self, language: Language, *, count: object = None) -> str:
        """Return the text in a language, with its placeholders."""
        text: str | Plural = getattr(self, language.value)
        return text if isinstance(text, str) else text.one if count == 1 else text.other

    def variants(self) -> Iterator[str]:
        """Yield the texts of all languages and numbers."""
        for language in Language:
            yield from (self.text(language, count=count) for count in (1, 2))

    @model_validator(mode="after")
    def _has_equal_parameters(self) -> Text:
        for count in (1, 2):
            ignored = {"count"} if count == 1 else set()
            if len({frozenset(parameters_of(self.text(one, count=count)) - ignored) for one in Language}) > 1:
                raise ValueError("the languages have different parameters")
        return self


class Texts(RootModel[dict[str, Text]]):
    """Catalog of texts by code."""

    def render(self, code: str, language: Language, *, count: int | None = None, **values: object) -> str:
        """Return the text of a code.

        Raises:
            KeyError: the catalog has no such code, or a value is missing.
        """
        return self.root[code].text(language, count=count).format(count=count, **values)

    def translate(self, english: str, language: Language) -> str:
        """Return the translation of an English text without parameters; the text itself if the catalog lacks it."""
        entry = self._by_english.get(english)
        return english if entry is None else entry.text(language)

    @cached_property
    def _by_english(self) -> dict[str, Text]:
        return {entry.en: entry for entry in self.root.values() if isinstance(entry.en, str)}


def parameters_of(text: str) -> set[str]:
    """Return the names of the placeholders of a text."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@cache
def load_texts(package: str, file: str) -> Texts:
    """Return the catalog in a file of a package.

    Raises:
        pydantic.ValidationError: a text lacks a language, or a translation has other parameters.
    """
    return Texts.model_validate(tomllib.loads((files(package) / file).read_text("utf-8")))
