"""Language of the texts of a response, from the ``Accept-Language`` header (RFC 9110, section 12.5.4)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header

from neighborconnect.localization import DEFAULT_LANGUAGE, Language

_MAX_RANGES = 20


def negotiate(accept_language: str | None) -> Language:
    """Return the preferred language that texts exist in; the default where the header names none of them."""
    return requested(accept_language) or DEFAULT_LANGUAGE


def requested(accept_language: str | None) -> Language | None:
    """Return the preferred language that texts exist in; None where the header names none of them.

    A tag matches the language that it begins with, so ``es-MX`` matches ``es``. Unreadable parts are ignored.
    """
    ranges = []
    for part in (accept_language or "").split(",")[:_MAX_RANGES]:
        tag, _, parameter = part.partition(";")
        language = tag.strip().lower().partition("-")[0]
        if (quality := _quality(parameter)) > 0:
            ranges.append((quality, DEFAULT_LANGUAGE.value if language == "*" else language))
    preferred = sorted(ranges, key=lambda pair: -pair[0])
    return next((Language(language) for _, language in preferred if language in set(Language)), None)


def _quality(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip().lower() != "q":
        return 1.0 if not parameter.strip() else 0.0
    try:
        return float(value)
    except ValueError:
        return 0.0


AcceptLanguage = Annotated[
    str | None,
    Header(
        description="Languages of texts, by preference: `en` (default) or `es`.",
        examples=["es, en;q=0.8"],
    ),
]


async def _language(accept_language: AcceptLanguage = None) -> Language:
    return negotiate(accept_language)


async def _requested(accept_language: AcceptLanguage = None) -> Language | None:
    return requested(accept_language)


LanguageDep = Annotated[Language, Depends(_language)]
"""Language of the texts of the response."""
RequestedLanguageDep = Annotated[Language | None, Depends(_requested)]
"""Language that the request prefers, None if it names none that texts exist in."""
