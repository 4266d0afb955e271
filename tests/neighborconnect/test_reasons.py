"""Catalog of reasons: every code that the code emits has a text in every language, and vice versa."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from pydantic import ValidationError

from neighborconnect.feed.reasons import Catalog, ReasonCode, catalog, render
from neighborconnect.localization import Language, parameters_of

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = {
    "title": "Help with {leeks}, please",
    "connector": "Chapel Hill Allotment Club",
    "category": "gardening",
    "neighborhood": "Chapel Hill",
    "city": "Lisbon",
    "name": "ada",
    "count": 3,
}


def published() -> dict[str, dict[str, object]]:
    return tomllib.loads((files("neighborconnect.feed") / "reasons.toml").read_text("utf-8"))


def uses(path: Path) -> Iterator[str]:
    """Yield the codes that a module refers to."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ReasonCode":
            yield ReasonCode[node.attr].value


def test_every_emitted_code_has_texts_and_every_text_a_code() -> None:
    modules = [path for package in ("models", "transactional_api") for path in (ROOT / package).rglob("*.py")]
    emitted = {code for module in modules for code in uses(module)}
    # A code may also stand in for another one whose parameters are missing.
    emitted |= {str(entry["instead"]) for entry in published().values() if "instead" in entry}
    assert emitted == set(published())
    assert all(set(entry) - {"instead"} == set(Language) for entry in published().values())


@pytest.mark.parametrize("code", ReasonCode)
def test_translations_have_the_same_parameters(code: ReasonCode) -> None:
    for count in (1, 2):
        used = [parameters_of(catalog().root[code].text(language, count=count)) for language in Language]
        assert used[0] <= set(PARAMETERS)
        assert all(one == used[0] for one in used)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("code", ReasonCode)
def test_every_text_renders_with_and_without_parameters(code: ReasonCode, language: Language) -> None:
    complete = render(code, language=language, values=PARAMETERS)
    assert complete is not None
    assert complete[0] is code
    assert complete[1][0].isupper() or complete[1][0].isdigit()
    bare = render(code, language=language, values={})
    assert bare is not None
    assert not parameters_of(bare[1])


def test_texts_differ_by_language_and_number() -> None:
    def text(language: Language, count: int) -> str:
        rendered = render("people_you_follow_going", language=language, values={"name": "Ada", "count": count})
        return "" if rendered is None else rendered[1]

    assert text(Language.ENGLISH, 1) == "Ada, whom you follow, is going"
    assert text(Language.ENGLISH, 3) == "3 people you follow are going"
    assert text(Language.SPANISH, 3) == "Van 3 personas a las que sigues"


def test_a_title_is_text_and_no_template() -> None:
    rendered = render("because_you_liked", language=Language.ENGLISH, values={"title": "{count} {0.__class__}"})
    assert rendered == (ReasonCode.BECAUSE_YOU_LIKED, "Because you liked “{count} {0.__class__}”")


def test_a_code_of_another_release_has_no_text() -> None:
    assert render("of_the_next_release", language=Language.ENGLISH, values=PARAMETERS) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries.pop("popular"),
        lambda entries: entries["popular"].pop("es"),
        lambda entries: entries["new"].pop("instead"),
        lambda entries: entries.update(unknown={"en": "Yes", "es": "Sí"}),
    ],
    ids=["no code", "no translation", "no substitute", "unknown code"],
)
def test_an_incomplete_catalog_is_refused(change: object) -> None:
    entries = published()
    change(entries)  # type: ignore[operator]
    with pytest.raises(ValidationError):
        Catalog.model_validate(entries)
