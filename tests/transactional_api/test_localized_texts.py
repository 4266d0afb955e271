"""Texts for people: in the language of the request or of the person, and never a code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neighborconnect.localization import Language
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_accounts import registration
from tests.transactional_api.test_letters import address_of, lying, mention, want_letters
from transactional_api.community.connectors.schemas import Role
from transactional_api.community.moderation.screening import HELP_TEXT, HELP_TITLE
from transactional_api.community.moderation.service import _TITLES
from transactional_api.community.notifications.rendering import texts, topic_name
from transactional_api.core import error_texts
from transactional_api.core.errors import Problem
from transactional_api.core.mailer import letters
from transactional_api.core.notices import GROUPED, OF_PLATFORM, NoticeKind
from transactional_api.core.reactions import ReactionKind
from transactional_api.identity.users.recovery import Change

API = Path(__file__).resolve().parents[2] / "transactional_api"
SPANISH = {"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}


async def titles(person: Person, path: str, **headers: str) -> list[tuple[str, str]]:
    """Return the titles and bodies of a list of notifications."""
    answer = await person.request("GET", path, headers=headers)
    return [(one["title"], one["body"]) for one in answer.json()["items"]]


def problems(base: type[Problem] = Problem) -> Iterator[type[Problem]]:
    for problem in base.__subclasses__():
        if problem.__module__.startswith("transactional_api.") and problem.__name__ != "HttpProblem":
            yield problem
        yield from problems(problem)


async def test_lists_follow_the_request(town: Town, ada: Person, ben: Person, garden: dict[str, Any]) -> None:
    post = await ada.make_post(garden)
    await ben.put(f"/posts/{post['id']}/reaction", {"kind": "love"})
    await ada.put(f"/connectors/{garden['id']}/members/{ben.id}", {"role": "moderator"})
    await town.run_jobs()
    for path in ("/notifications", "/notifications/grouped"):
        assert await titles(ada, path) == [("Ben Okafor reacted to your post", "❤️ Love")]
        assert await titles(ada, path, **SPANISH) == [("Ben Okafor reaccionó a tu publicación", "❤️ Me encanta")]
    [(_, role)] = await titles(ben, "/notifications", **SPANISH)
    assert role == "Moderación"


async def test_letters_follow_the_person(town: Town, garden: dict[str, Any], ben: Person) -> None:
    fields = registration()
    answer = await town.nobody.request("POST", "/users/register", json=fields, headers=SPANISH)
    assert answer.json()["user"]["language"] == "es"
    await town.run_jobs()
    assert [letter["Subject"] for letter in lying(town, fields["email"])] == ["Verifica tu dirección de correo"]
    reader = await town.create_user(language="en")
    await town.add_member(reader, garden)
    await want_letters(reader, "mentioned")
    refused = await reader.request("PATCH", "/users/profile", json={"language": "xx"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "body.language")
    changed = await reader.request("PATCH", "/users/profile", json={"language": "es"})
    assert changed.json()["language"] == "es"
    await mention(town, ben, reader, garden)
    [letter] = lying(town, address_of(reader))
    assert letter["Subject"] == "Ben Okafor te mencionó"
    assert "Dejar de recibir estos correos: http" in letter.get_content()


async def test_problems_follow_the_request(ada: Person) -> None:
    missing = await ada.request("GET", f"/posts/{ada.id}", headers=SPANISH)
    assert (missing.json()["code"], missing.json()["title"]) == ("not_found", "Aquí no hay nada que puedas ver")
    fields = {"name": "x" * 300, "category": 3}
    invalid = await ada.request("POST", "/connectors", json=fields, headers=SPANISH)
    assert {one["field"]: one["message"] for one in invalid.json()["errors"]} == {
        "body.name": "Debe tener como máximo 200 caracteres",
        "body.category": "Debe ser texto",
    }
    assert (await ada.get(f"/posts/{ada.id}")).json()["title"] == "There is nothing here that you can see"


@pytest.mark.parametrize("language", Language)
def test_every_code_that_people_read_has_a_name(language: Language) -> None:
    for kind in NoticeKind:
        assert "." not in topic_name(kind, language)
        if kind in GROUPED:
            assert texts.render(f"{kind}.group", language, count=2, actor="Ben")
    for code in [*(f"reaction.{kind}" for kind in ReactionKind), *(f"role.{role}" for role in Role)]:
        assert code.partition(".")[2] not in texts.render(code, language)
    for change in Change:
        assert letters.render(f"change.{change}.subject", language)


def test_the_catalog_has_the_texts_of_the_code() -> None:
    known = {entry.en for entry in error_texts.texts.root.values()}
    titles_missing = {problem.title for problem in problems()} - known
    assert titles_missing == set()
    names = {problem.__name__ for problem in problems()}
    details = {
        node.args[0].value
        for path in API.rglob("*.py")
        if "console" not in path.parts and path.stem not in {"account_overview", "app"}
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in names
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert {text for text in details if isinstance(text, str)} - known == set()
    of_fields = {
        node.args[0].value
        for path in (API / "core" / "text.py", *API.rglob("schemas.py"), *API.rglob("feedback.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", None) == "ValueError"
        and isinstance(node.args[0], ast.Constant)
    }
    assert of_fields - known == set()
    stored = {HELP_TITLE, HELP_TEXT, *_TITLES.values(), "A moderator decided about your report"}
    assert stored <= {entry.en for entry in texts.root.values() if isinstance(entry.en, str)}
    assert OF_PLATFORM
