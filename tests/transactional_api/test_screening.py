"""New texts under the content model's eyes: what it is unsure of waits for a moderator, and only what it must."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.transactional_api.local_server import serving
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_moderation import EVENT, ITEM, cases, decide, report
from transactional_api.community.moderation.screening import HELP_TITLE
from transactional_api.core.jobs.worker import run_due

NICE, ODD, VILE, SALE = "Bring seeds.", "You are an odd one.", "You vile thing.", "Cheap pills."


class Watch:
    """The content model's part: the words decide what it says; ``look`` does the work that is queued, with it."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.asked: list[str] = []
        self.behaved: list[dict[str, Any]] = []

    async def moderate(self, request: Request) -> Response:
        text = (await request.json())["request"]["text"]
        self.asked.append(text)
        verdict = "block" if "vile" in text else "review" if "odd" in text else "allow"
        at = text.find("vile")
        highlights = [{"begin": at, "end": at + 4, "weight": 0.4}] if at >= 0 else []
        said = {"categories": {"toxicity": 0.5}, "highlights": highlights, "model_version": "3"}
        return JSONResponse({"verdict": verdict, "offers_help": " live" in text, **said})

    async def spam(self, request: Request) -> Response:
        asked = (await request.json())["request"]
        self.behaved.append(asked)
        is_spam = "pills" in asked["text"]
        return JSONResponse({"is_spam": is_spam, "score": 0.9 if is_spam else 0.1, "signals": [], "model_version": "3"})

    def listen(self, url: str) -> None:
        context = self.town.app.state.context
        settings = context.settings.model_copy(update={"content_url": url, "inference_deadline_ms": 5_000})
        self.context = dataclasses.replace(context, settings=settings)

    async def look(self) -> None:
        await run_due(self.context)


@pytest.fixture
async def watch(town: Town) -> AsyncIterator[Watch]:
    await town.run_jobs()  # Texts that earlier tests left are screened without a model.
    found = Watch(town)
    routes = [
        Route("/moderate", found.moderate, methods=["POST"]),
        Route("/spam-detection", found.spam, methods=["POST"]),
    ]
    async with serving(Starlette(routes=routes)) as url:
        found.listen(url)
        yield found


async def write(person: Person, garden: dict[str, Any], kind: str, words: str) -> str:
    """Write one of a kind and return its path."""
    of = {"connector_id": garden["id"]}
    if kind == "comment":
        post = await person.make_post(garden, content=NICE)
        path, body = f"/posts/{post['id']}/comments", {"content": words}
    else:
        path, body = {
            "post": ("/posts", of | {"content": words}),
            "event": ("/events", of | EVENT | {"description": words}),
            "item": ("/marketplace/items", of | ITEM | {"description": words}),
            "review": ("/reviews", of | {"rating": 2, "title": "My view", "content": words}),
        }[kind]
    answer = await person.post(path, body)
    assert answer.status_code == 201, answer.text
    return f"{path}/{answer.json()['id']}"


async def case_of(mod: Person, path: str) -> dict[str, Any] | None:
    return {one["subject_id"]: one for one in (await cases(mod)).values()}.get(path.rsplit("/", 1)[1])


@pytest.mark.parametrize("kind", ["post", "comment", "event", "item", "review"])
async def test_blocked_content_is_held_until_a_moderator_approves_it(
    watch: Watch, ben: Person, mod: Person, garden: dict[str, Any], kind: str
) -> None:
    path = await write(ben, garden, kind, VILE)
    await watch.look()
    case = await case_of(mod, path)
    assert case is not None
    assert (case["subject_kind"], case["is_held"], case["report_count"]) == (kind, True, 0)
    assert case["triage"]["verdict"] == "block"
    [told] = [one for one in (await ben.get("/notifications")).json()["items"] if one["subject_id"] == case["id"]]
    assert told["body"] == "Our check flagged: vile"

    await decide(mod, case["id"], "keep")
    await watch.look()
    assert (await watch.town.rows(f"SELECT is_active FROM {TABLES[kind]} WHERE id = :id", id=case["subject_id"])) == [
        (True,)
    ]
    told = (await ben.get("/notifications")).json()["items"]
    assert "A moderator reviewed it: it is visible again" in {one["title"] for one in told}


TABLES = {
    "post": "posts",
    "comment": "comments",
    "event": "events",
    "item": "marketplace_items",
    "review": "reviews",
}


@pytest.mark.parametrize(("words", "has_case"), [(SALE, False), (ODD, True)])
async def test_a_profile_is_not_judged_by_the_spam_model(
    watch: Watch, ben: Person, mod: Person, words: str, has_case: bool
) -> None:
    """The spam model learned from messages, and takes the names of new neighbors for spam."""
    answer = await ben.put("/users/profile", {"first_name": "Ben", "last_name": "Li", "neighborhood": words})
    assert answer.status_code == 200, answer.text
    await watch.look()
    assert (await case_of(mod, f"/users/{ben.id}") is not None) == has_case


@pytest.mark.parametrize("words", [ODD, SALE])
async def test_what_the_model_is_unsure_of_stays_while_somebody_looks(
    watch: Watch, ben: Person, mod: Person, garden: dict[str, Any], words: str
) -> None:
    path = await write(ben, garden, "post", words)
    await watch.look()
    case = await case_of(mod, path)
    assert case is not None
    assert case["is_held"] is False
    assert case["triage"]["spam"]["is_spam"] == (words == SALE)
    assert (await mod.get(path)).status_code == 200


async def test_help_is_offered_once_and_nobody_else_is_told(
    watch: Watch, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    paths = [await write(ben, garden, "post", words) for words in ("I do not want to live.", "Why live at all.")]
    await watch.look()
    await watch.look()  # Notices are delivered by jobs that the screening queues.
    titles = [one["title"] for one in (await ben.get("/notifications")).json()["items"]]
    assert titles.count(HELP_TITLE) == 1
    for path in paths:
        assert await case_of(mod, path) is None
        assert (await mod.get(path)).status_code == 200


async def test_a_blocked_text_is_seen_by_nobody_and_counts_nowhere(
    watch: Watch, ada: Person, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    path = await write(ben, garden, "post", VILE)
    assert (await ada.get(path)).status_code == 200
    await watch.look()
    assert (await ada.get(path)).status_code == 404
    assert (await ada.get(f"/connectors/{garden['id']}")).json()["post_count"] == 0
    case = await case_of(mod, path)
    assert case is not None
    await decide(mod, case["id"], "remove")
    assert (await ada.get(path)).status_code == 404
    assert (await ada.get(f"/connectors/{garden['id']}")).json()["post_count"] == 0


async def test_a_harmless_text_makes_no_case(watch: Watch, ben: Person, mod: Person, garden: dict[str, Any]) -> None:
    path = await write(ben, garden, "post", NICE)
    await watch.look()
    assert [one for one in watch.asked if NICE in one] == [NICE]
    assert await case_of(mod, path) is None


async def test_changed_words_are_screened_again_and_decided_ones_not(
    watch: Watch, ada: Person, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    path = await write(ben, garden, "event", NICE)
    await watch.look()
    changed = EVENT | {"description": VILE}
    assert (await ben.put(path, changed)).status_code == 200
    await watch.look()
    case = await case_of(mod, path)
    assert case is not None
    await decide(mod, case["id"], "keep")

    later = changed | {"start_date": "2090-06-02T14:00:00Z"}
    assert (await ben.put(path, later)).status_code == 200
    await watch.look()
    assert len([one for one in watch.asked if EVENT["title"] in one]) == 2
    assert (await ada.get(path)).json()["cancelled"] is False


async def test_one_thing_has_one_open_case_whoever_stopped_at_it_first(
    watch: Watch, ada: Person, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    path = await write(ben, garden, "post", VILE)
    case_id = await report(watch.town, ada, "post", path.rsplit("/", 1)[1])
    await watch.look()
    case = await case_of(mod, path)
    assert case is not None
    assert (case["id"], case["report_count"], case["is_held"]) == (case_id, 1, True)


async def test_case_of_an_edited_post_holds_the_current_text(
    watch: Watch, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    path = await write(ben, garden, "post", ODD)
    await watch.look()
    assert (await ben.put(path, {"content": VILE})).status_code == 200
    await watch.look()
    case = await case_of(mod, path)
    assert case is not None
    assert (case["content_snapshot"], case["is_held"]) == (VILE, True)


async def test_without_a_model_nothing_is_kept_back(
    town: Town, ada: Person, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    path = await write(ben, garden, "post", "I will kill you all, you idiots.")
    await town.run_jobs()
    assert (await ada.get(path)).status_code == 200
    assert await case_of(mod, path) is None


async def test_a_model_that_is_down_is_asked_again(
    watch: Watch, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    url = str(watch.context.settings.content_url)
    watch.listen("http://127.0.0.1:9")
    path = await write(ben, garden, "post", VILE)
    await watch.look()
    assert await case_of(mod, path) is None
    await watch.town.write("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE task_name = 'moderation.screen'")
    watch.listen(url)
    await watch.look()
    case = await case_of(mod, path)
    assert case is not None
    assert case["is_held"] is True


async def test_who_is_erased_leaves_no_case_behind(
    watch: Watch, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    path = await write(ben, garden, "post", VILE)
    await watch.look()
    assert await case_of(mod, path) is not None
    await watch.town.write("DELETE FROM users WHERE id = :id", id=ben.id)
    assert await case_of(mod, path) is None


async def test_the_same_again_and_again_is_shown_to_a_moderator(
    watch: Watch, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    words = "Selling my old garden shed, hardly used, come and see it on Sunday at {} o'clock."
    paths = [await write(ben, garden, "post", words.format(hour)) for hour in range(1, 5)]
    await watch.look()
    (case,) = [found for path in paths if (found := await case_of(mod, path))][:1]
    assert "repeats" in case["triage"]["spam"]["signals"]
    assert not case["is_held"]


async def test_short_words_other_words_and_other_people_are_no_repeats(
    watch: Watch, ada: Person, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    paths = [await write(ben, garden, "post", "Thank you, dear neighbours!") for _ in range(5)]
    long = "Selling my old garden shed, hardly used, come and see it on Sunday afternoon."
    paths += [await write(person, garden, "post", long) for person in (ada, ben, ada, ben)]
    paths += [await write(ben, garden, "post", f"{topic} this year? " * 4) for topic in ("Beans", "Compost", "Owls")]
    await watch.look()
    assert [path for path in paths if await case_of(mod, path)] == []


async def test_the_model_learns_who_wrote_and_how_new_they_are(town: Town, ada: Person, watch: Watch) -> None:
    garden = await ada.make_connector()
    await town.write("UPDATE users SET created_at = now() - interval '36 hours' WHERE id = :id", id=ada.id)
    await write(ada, garden, "post", NICE)
    await watch.look()
    [asked] = [one for one in watch.behaved if one["text"] == NICE]
    assert asked["user_id"] == str(ada.id)
    assert 1.4 < asked["account_days"] < 1.7
