"""Language of a response, from the ``Accept-Language`` header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neighborconnect.localization import Language
from transactional_api.core.language import negotiate


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("es", "es"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("ES-mx", "es"),
        ("en;q=0.5, es;q=0.9", "es"),
        ("fr-CA, fr;q=0.9, es;q=0.1", "es"),
        ("en-GB,es;q=0.9", "en"),
        ("es;q=0, en", "en"),
        ("de, fr", "en"),
        ("*", "en"),
        ("de, *;q=0.5", "en"),
        ("es;q=nonsense", "en"),
        ("esperanto", "en"),
    ],
)
def test_the_preferred_language_with_texts_is_used(header: str | None, language: str) -> None:
    assert negotiate(header) == language


@given(st.text(max_size=200))
def test_any_header_has_a_language(header: str) -> None:
    assert negotiate(header) in set(Language)
