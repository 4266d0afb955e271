"""Names of groups as the moderation model reads them."""

from __future__ import annotations

import pytest

from models.content.identity_terms import with_common_terms


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("I like women.", "I like minorities."),
        ("An immigrant was elected.", "a minority was elected."),
        ("Black people, gay Muslim men and the disabled", "minorities, minorities and minorities"),
        ("People with disabilities and asylum seekers", "minorities and minorities"),
        ("He is black, and a Mexican lives here.", "He is minority, and a minority lives here."),
        ("the black car, a white van, Mexican food", "the black car, a white van, Mexican food"),
        ("The White Hart, the blind spot", "The White Hart, the blind spot"),
        ("My son is old enough.", "My son is old enough."),
        ("Somebody plays the piano.", "Somebody plays the piano."),
    ],
)
def test_groups_are_read_as_the_same_words(text: str, read: str) -> None:
    assert with_common_terms(text) == read
    assert with_common_terms(read) == read


def test_slurs_are_read_as_one_slur() -> None:
    assert len({with_common_terms(f"Stupid {slur}.") for slur in ("kike", "raghead", "tranny", "retard")}) == 1


@pytest.mark.parametrize("unit", ["black ", "gay-", "people with ", "an ", "is black "])
def test_long_texts_are_read_within_bounds(unit: str) -> None:
    assert len(with_common_terms(unit * 2_000)) <= 3 * len(unit) * 2_000
