"""Catalogs of texts: a missing language or another placeholder in a translation fails the load."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from neighborconnect.localization import Language, Texts, load_texts, parameters_of

ROOT = Path(__file__).resolve().parents[2]
CATALOGS = [
    ("transactional_api.community.notifications", "texts.toml"),
    ("transactional_api.core", "letters.toml"),
    ("transactional_api.core", "errors.toml"),
]


@pytest.mark.parametrize(
    "entry",
    [
        {"en": "Hello"},
        {"en": "Hello {name}", "es": "Hola"},
        {"en": "Hello {name}", "es": "Hola {nombre}"},
        {"en": {"one": "{count} day", "other": "{count} days"}, "es": {"one": "{count} día", "other": "días"}},
        {"en": {"one": "a day", "other": "{count} days"}, "es": {"one": "un día", "other": "{number} días"}},
        {"en": "Hello", "es": "Hola", "fr": "Bonjour"},
    ],
)
def test_an_incomplete_translation_is_refused(entry: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Texts.model_validate({"greeting": entry})


@pytest.mark.parametrize(("package", "file"), CATALOGS)
def test_published_catalogs_are_complete_and_translated(package: str, file: str) -> None:
    texts = load_texts(package, file).root
    assert all(len(set(entry.variants())) > 1 for entry in texts.values())
    values = {name: 1 for entry in texts.values() for text in entry.variants() for name in parameters_of(text)}
    for code in texts:
        for language in Language:
            assert load_texts(package, file).render(code, language, **({"count": 2} | values)).strip()


def test_the_number_selects_the_form() -> None:
    texts = load_texts("transactional_api.community.notifications", "texts.toml")
    rendered = [
        texts.render("post.liked.group", language, count=count, actor="Ben")
        for language in Language
        for count in (1, 4)
    ]
    assert rendered == [
        "Ben and 1 other like your post",
        "Ben and 4 others like your post",
        "A Ben y 1 persona más les gusta tu publicación",
        "A Ben y 4 personas más les gusta tu publicación",
    ]
