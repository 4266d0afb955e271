"""Language identification by py3langid (Lui and Baldwin, "langid.py", 2012), 97 languages."""

from __future__ import annotations

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

_MIN_LETTERS = 10
_MIN_PROBABILITY = 0.8
_NO_LANGUAGE = "zxx"


@cache
def _identifier() -> LanguageIdentifier:
    # 80 MB, so loaded on first use.
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language_of(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language; None for short, mixed or nonlinguistic texts."""
    if sum(map(str.isalpha, text)) < _MIN_LETTERS:
        return None
    code, probability = _identifier().classify(text)
    return str(code) if probability >= _MIN_PROBABILITY and code != _NO_LANGUAGE else None
