"""Which language a text is in: py3langid (Lui and Baldwin, 2012), of 97."""

from __future__ import annotations

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

_LEAST_LETTERS = 10
_SURE = 0.8
_NO_LANGUAGE = "zxx"


@cache
def _identifier() -> LanguageIdentifier:
    # 80 MB: only where somebody asks.
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language_of(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language; None where it is short, mixed, or no language."""
    if sum(map(str.isalpha, text)) < _LEAST_LETTERS:
        return None
    code, chance = _identifier().classify(text)
    return str(code) if chance >= _SURE and code != _NO_LANGUAGE else None
