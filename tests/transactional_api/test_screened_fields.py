"""Every text that others can read is screened in full, when it is written and when it is changed.

The table below has every field of every operation that takes words: whoever adds one says what becomes of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.transactional_api.media.files import png, video
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_accounts import registration
from tests.transactional_api.test_moderation import EVENT, ITEM, cases, decide, report
from tests.transactional_api.test_screening import VILE, Watch, watch
from transactional_api.community.stories.captions import add_missing
from transactional_api.core.jobs import queue
from transactional_api.core.moderation import MAX_WORDS, PART_CHARACTERS, TRIAGE, parts_of
from transactional_api.openapi import PATH

__all__ = ["watch"]

# Operation: fields whose words others read.
SCREENED = {
    "register": ("username", "first_name", "last_name", "neighborhood", "city", "interests"),
    "replaceProfile": ("first_name", "last_name", "neighborhood", "city", "interests"),
    "createConnector": ("name", "category", "description", "rules"),
    "replaceConnector": ("name", "category", "description", "rules"),
    "createPost": ("title", "content"),
    "replacePost": ("title", "content"),
    "createComment": ("content",),
    "replaceComment": ("content",),
    "createEvent": ("title", "description", "location"),
    "replaceEvent": ("title", "description", "location"),
    "createItem": ("title", "description", "category"),
    "replaceItem": ("title", "description", "category"),
    "changeProfile": ("first_name", "last_name", "neighborhood", "city", "interests"),
    "changeConnector": ("name", "category", "description", "rules"),
    "changeEvent": ("title", "description", "location"),
    "changeItem": ("title", "description", "category"),
    "createReview": ("title", "content"),
    "replaceReview": ("title", "content"),
    "reviewSeller": ("content",),
    "createStory": ("title", "content"),
    "createReel": ("title", "description"),
    "registerApp": ("name",),
    "setAltText": ("alt_text",),
}
# Operation: fields that are not words, or that nobody but their writer, moderators or a conversation's members read.
OWN = {"state", "country", "postal_code", "phone", "avatar_url", "password", "current_password"}
IMAGE, ZONE, PRICE = frozenset({"image_url"}), frozenset({"time_zone"}), frozenset({"price", "currency", "images"})
CURSOR = frozenset({"cursor"})
NOT_WORDS = {
    "register": OWN,
    "replaceProfile": OWN,
    "changeProfile": OWN,
    **dict.fromkeys(("createConnector", "replaceConnector", "createPost", "replacePost"), IMAGE),
    **dict.fromkeys(("createEvent", "replaceEvent", "changeEvent"), ZONE),
    **dict.fromkeys(("createItem", "replaceItem", "changeItem"), PRICE),
    "registerApp": {"redirect_uris"},
    **dict.fromkeys(("createWebhook", "replaceWebhook"), frozenset({"url"})),
    "giveFeedback": {"category"},
    **dict.fromkeys(
        ("recommendHome", "recommendContent", "recommendConnectors", "recommendEvents", "recommendItems"), CURSOR
    ),
}
PRIVATE = {
    **dict.fromkeys(
        (
            *(
                "login",
                "refresh",
                "createWebSession",
                "exchangeForWebSession",
                "logout",
                "verifyEmail",
                "resetPassword",
                "changePassword",
                "forgotPassword",
                "undoChange",
            ),
            *("beginSecondFactor", "confirmSecondFactor", "disableSecondFactor", "finishProviderLogin", "linkProvider"),
            *("requestErasure", "authorizeApp", "createToken", "addPushDevice", "replaceDeliverySchedule"),
        ),
        "credentials and settings of one's own",
    ),
    **dict.fromkeys(
        ("createConversation", "sendMessage", "editMessage"), "private talk is reported by those who are in it"
    ),
    **dict.fromkeys(
        ("createReport", "createAppeal", "appealSuspension", "decideCase", "banUser"), "moderators and the person alone"
    ),
    **dict.fromkeys(
        (
            *("sendAnnouncement", "createExperiment", "replaceExperiment", "stopExperiment"),
            *("reportErasure", "storeExperimentReadout", "finishModelChange"),
        ),
        "the platform's own staff",
    ),
    **dict.fromkeys(("analyzeSentiment", "moderateText", "extractTopics", "detectSpam"), "nothing is stored"),
    "uploadMedia": "a file, which the vision models see",
}
_FORMATS = {"uuid", "date-time", "date", "time", "email", "uri", "binary", "password"}


def words_of(schema: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Whether a schema takes words."""
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
    if any(words_of(one, schemas) for key in ("anyOf", "oneOf", "allOf") for one in schema.get(key, ())):
        return True
    if schema.get("type") == "array":
        return words_of(schema.get("items", {}), schemas)
    if schema.get("type") == "object":
        nested = [*schema.get("properties", {}).values(), schema.get("additionalProperties")]
        return any(words_of(one, schemas) for one in nested if isinstance(one, dict))
    return (
        schema.get("type") == "string" and not {"enum", "const"} & set(schema) and schema.get("format") not in _FORMATS
    )


def fields() -> Iterator[tuple[str, str]]:
    """Yield each operation and field of the public API that takes words."""
    api = json.loads(PATH.read_text(encoding="utf-8"))
    schemas = api["components"]["schemas"]
    for path in api["paths"].values():
        for method in ("post", "put", "patch", "delete"):
            operation = path.get(method, {})
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = content["schema"]
                while "$ref" in schema:
                    schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
                for name, field in schema.get("properties", {}).items():
                    if words_of(field, schemas):
                        yield operation["operationId"], name


def test_every_field_that_takes_words_has_its_place_in_the_table() -> None:
    found = list(fields())
    forgotten = [
        (operation, name)
        for operation, name in found
        if operation not in PRIVATE
        and name not in SCREENED.get(operation, ())
        and name not in NOT_WORDS.get(operation, ())
    ]
    assert forgotten == []
    assert {(operation, name) for operation, names in SCREENED.items() for name in names} <= set(found)


class Marks:
    """Words that say which field they were written to."""

    def __init__(self, operation: str) -> None:
        self.of = {name: f"{name.replace('_', '')}{uuid4().hex[:8]}" for name in SCREENED[operation]}

    def into(self, body: dict[str, Any]) -> dict[str, Any]:
        marks = {name: [mark] if name == "interests" else mark for name, mark in self.of.items()}
        return body | marks


async def made(person: Person, path: str, body: dict[str, Any]) -> str:
    answer = await person.post(path, body)
    assert answer.status_code == 201, answer.text
    return f"{path}/{answer.json()['id']}" if answer.content else path


async def bought(town: Town, ada: Person, ben: Person, garden: dict[str, Any]) -> str:
    item = await made(ada, "/marketplace/items", {"connector_id": garden["id"], **ITEM})
    purchase = (await ben.post(f"{item}/buy")).json()
    await ada.post(f"/marketplace/purchases/{purchase['id']}/complete")
    return f"/marketplace/purchases/{purchase['id']}/review"


PROFILE = {"first_name": "Ada", "last_name": "Okafor"}
CONNECTOR = {"name": "Dean Street Gardeners", "category": "gardening"}
REVIEW = {"rating": 4, "title": "My view", "content": "Good."}


@pytest.mark.parametrize("operation", SCREENED)
async def test_each_field_is_screened(
    *, watch: Watch, town: Town, ada: Person, ben: Person, garden: dict[str, Any], operation: str
) -> None:
    marks, of = Marks(operation), {"connector_id": garden["id"]}
    posts = {
        "createConnector": ("/connectors", CONNECTOR),
        "createPost": ("/posts", of),
        "createEvent": ("/events", of | EVENT),
        "createItem": ("/marketplace/items", of | ITEM),
        "createReview": ("/reviews", of | REVIEW),
        "registerApp": ("/oauth/apps", {"redirect_uris": ["https://app.example.org/back"]}),
    }
    puts = {
        "replaceConnector": ("/connectors", CONNECTOR),
        "replacePost": ("/posts", of | {"content": "Hello."}),
        "replaceEvent": ("/events", of | EVENT),
        "replaceItem": ("/marketplace/items", of | ITEM),
        "replaceReview": ("/reviews", of | REVIEW),
    }
    if operation in posts:
        path, body = posts[operation]
        answer = await ben.post(path, marks.into(body))
    elif operation in puts:
        path, body = puts[operation]
        path = await made(ben, path, body)
        answer = await ben.put(path, marks.into({name: body[name] for name in body if name != "connector_id"}))
    elif (replacing := operation.replace("change", "replace")) in puts:
        answer = await ben.request("PATCH", await made(ben, *puts[replacing]), json=marks.into({}))
    elif operation in {"createComment", "replaceComment"}:
        path = f"/posts/{(await ada.make_post(garden))['id']}/comments"
        answer = await ben.post(path, marks.into({}) if operation == "createComment" else {"content": "Hello."})
        if operation == "replaceComment":
            answer = await ben.put(f"{path}/{answer.json()['id']}", marks.into({}))
    elif operation == "reviewSeller":
        answer = await ben.post(await bought(town, ada, ben, garden), marks.into({"rating": 4}))
    elif operation in {"createStory", "createReel"}:
        upload = await town.keep_upload(ben, png() if operation == "createStory" else video())
        path = "/stories" if operation == "createStory" else "/reels"
        answer = await ben.post(path, marks.into(of | {"media_id": upload["id"]}))
    elif operation == "setAltText":
        upload = await town.keep_upload(ben, png())
        answer = await ben.put(f"/media/{upload['id']}/alt-text", marks.into({}))
    elif operation == "register":
        answer = await town.nobody.post("/users/register", marks.into(registration()))
    else:
        method = "PATCH" if operation == "changeProfile" else "PUT"
        answer = await ben.request(method, "/users/profile", json=marks.into(PROFILE))
    assert answer.is_success, answer.text
    await watch.look()
    everything = "\n".join(watch.asked)
    assert [name for name, mark in marks.of.items() if mark not in everything] == []
    assert set(marks.of.values()) <= set("\n".join(one["text"] for one in watch.behaved).replace(",", "\n").split())


@pytest.mark.parametrize("at", [0, 4_990, 9_990])
async def test_a_text_is_screened_to_its_last_word(
    watch: Watch, ben: Person, mod: Person, garden: dict[str, Any], at: int
) -> None:
    words = ("well " * 2_000)[:at] + "vile" + (" well" * 2_000)
    path = await made(ben, "/posts", {"connector_id": garden["id"], "content": words[:10_000].rstrip()})
    await watch.look()
    case = {one["subject_id"]: one for one in (await cases(mod)).values()}[path.rsplit("/", 1)[1]]
    assert (case["is_held"], case["triage"]["verdict"]) == (True, "block")
    async with watch.context.transaction() as session:
        await queue.defer(session, TRIAGE, case_id=case["id"])
    await watch.look()
    for one in (case, (await cases(mod))[case["id"]]):
        [highlight] = one["triage"]["highlights"]
        assert one["content_snapshot"][highlight["begin"] : highlight["end"]] == "vile"


@pytest.mark.parametrize("length", [0, 1, PART_CHARACTERS, PART_CHARACTERS + 1, MAX_WORDS])
def test_the_parts_of_a_text_cover_it(length: int) -> None:
    text = "".join(chr(0x4E00 + place % 20_000) for place in range(length))
    parts = parts_of(text)
    assert all(text[at : at + len(part)] == part and len(part) <= PART_CHARACTERS for at, part in parts)
    assert {place for at, part in parts for place in range(at, at + len(part))} == set(range(length))


def test_a_case_has_room_for_every_text() -> None:
    api = json.loads(PATH.read_text(encoding="utf-8"))
    schemas = api["components"]["schemas"]
    for name in ("NewPost", "ConnectorBody", "NewEvent", "NewItem"):
        longest = 0
        for field in schemas[name]["properties"].values():
            found = [field, *field.get("anyOf", ())]
            longest += max((one.get("maxLength", 0) for one in found), default=0)
        assert 0 < longest <= MAX_WORDS


@pytest.mark.parametrize("kind", ["story", "reel"])
async def test_a_story_or_reel_is_kept_back_reported_and_comes_back(
    *, watch: Watch, town: Town, ada: Person, ben: Person, mod: Person, garden: dict[str, Any], kind: str
) -> None:
    upload = await town.keep_upload(ben, video())
    root = {"story": "/stories", "reel": "/reels"}[kind]
    body = {"connector_id": garden["id"], "media_id": upload["id"], "title": VILE}
    path = await made(ben, root, body)
    here, lists = path.rsplit("/", 1)[1], f"{root}/connector/{garden['id']}"
    case_id = await report(town, ada, kind, here)
    await watch.look()
    case = (await cases(mod))[case_id]
    assert (case["subject_kind"], case["is_held"], case["report_count"], case["content_snapshot"]) == (
        kind,
        True,
        1,
        VILE,
    )
    assert (await ada.get(path)).status_code == 404
    assert (await ada.get(lists)).json()["items"] == []
    await decide(mod, case_id, "keep")
    assert (await ada.get(path)).status_code == 200
    assert [one["id"] for one in (await ada.get(lists)).json()["items"]] == [here]
    assert (await town.nobody.post("/moderation/reports", {})).status_code == 401


async def test_a_false_alarm_closes_no_connector_that_others_are_in(
    watch: Watch, town: Town, ada: Person, ben: Person, mod: Person
) -> None:
    connector = await ada.make_connector(description="Nice.")
    assert (await ben.post(f"/connectors/{connector['id']}/join")).is_success
    changed = CONNECTOR | {"description": VILE}
    assert (await ada.put(f"/connectors/{connector['id']}", changed)).status_code == 200
    alone = await ada.make_connector(description=VILE)
    await watch.look()
    found = {one["subject_id"]: one for one in (await cases(mod)).values()}
    assert [found[one["id"]]["is_held"] for one in (connector, alone)] == [False, True]
    assert (await ben.get(f"/connectors/{connector['id']}")).status_code == 200
    assert (await ben.get(f"/connectors/{alone['id']}")).status_code == 404


async def test_captions_that_are_missing_are_added_and_screened(
    watch: Watch, town: Town, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    upload = await town.keep_upload(ben, png())
    path = await made(
        ben, "/stories", {"connector_id": garden["id"], "media_id": upload["id"], "title": "Odd", "content": VILE}
    )
    here = path.rsplit("/", 1)[1]
    await town.write("DELETE FROM media_captions WHERE id = :id", id=here)
    await watch.look()
    async with town.app.state.context.transaction() as session:
        await queue.defer(session, add_missing, timestamp=0)
    await watch.look()
    case = {one["subject_id"]: one for one in (await cases(mod)).values()}[here]
    assert (case["is_held"], case["content_snapshot"]) == (True, f"Odd\n{VILE}")
