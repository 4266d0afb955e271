"""Posts, items, messages and connectors refer to uploads by id; links are signed for each reader and never stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from neighborconnect.settings import Settings
from tests.transactional_api.fake_vision_service import Vision
from tests.transactional_api.media.files import jpeg, video
from tests.transactional_api.people import Person, Town
from transactional_api.community.media.link_replacement import replace_links
from transactional_api.core.http.conditional_requests import version_of
from transactional_api.core.jobs import queue
from transactional_api.core.media import objects
from transactional_api.core.media.objects import Objects

FOREIGN = "https://tracker.example.net/pixel.gif?reader=1"
ITEM = {"title": "Wheelbarrow", "price": "25.00", "category": "garden"}


async def pending(person: Person) -> dict[str, Any]:
    return dict((await person.upload(jpeg(640, 480))).json())


async def talk_of(ada: Person, ben: Person) -> str:
    answer = await ada.post("/chat/conversations", {"kind": "direct", "user_id": str(ben.id)})
    return str(answer.json()["id"])


async def place_of(
    kind: str, ada: Person, ben: Person, garden: dict[str, Any]
) -> tuple[str, dict[str, Any], str | None]:
    """Return where something of a kind is created, the rest of its body, and its field for links if any."""
    of = {"connector_id": garden["id"]}
    if kind == "comment":
        return f"/posts/{(await ada.make_post(garden))['id']}/comments", {"content": "Ripe"}, None
    if kind == "message":
        return f"/chat/conversations/{await talk_of(ada, ben)}/messages", {"content": "Look"}, "attachments"
    places: dict[str, tuple[str, dict[str, Any], str | None]] = {
        "post": ("/posts", {**of, "content": "Ripe"}, "image_url"),
        "item": ("/marketplace/items", {**of, **ITEM}, "images"),
        "event": ("/events", {**of, "title": "Swap", "start_date": "2099-05-02T14:00:00Z"}, None),
        "review": ("/reviews", {**of, "title": "Fine", "content": "Ripe", "rating": 5}, None),
        "connector": ("/connectors", {"name": "Dean Street", "category": "gardening"}, "image_url"),
    }
    return places[kind]


def named(kind: str, *ids: str) -> dict[str, Any]:
    return {"media_id": ids[0]} if kind == "connector" else {"media_ids": list(ids)}


def only(kind: str, answer: dict[str, Any]) -> dict[str, Any]:
    media = answer["media"] if kind == "connector" else answer["media"][0]
    return dict(media)


async def read(kind: str, person: Person, made: dict[str, Any], path: str) -> dict[str, Any]:
    if kind in {"message", "comment"}:
        (found,) = [one for one in (await person.get(path)).json()["items"] if one["id"] == made["id"]]
        return dict(found)
    return dict((await person.get(f"{path}/{made['id']}")).json())


KINDS = pytest.mark.parametrize("kind", ["post", "item", "message", "connector", "comment", "event", "review"])
WITH_LINKS = pytest.mark.parametrize("kind", ["post", "item", "message", "connector"])


@KINDS
async def test_a_pending_upload_is_attached_and_shown_once_it_is_ready(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], kind: str
) -> None:
    upload = await pending(ada)
    path, body, links = await place_of(kind, ada, ben, garden)
    answer = await ada.post(path, {**body, **named(kind, upload["id"])})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (only(kind, made)["state"], only(kind, made)["url"]) == ("pending", None)
    assert links is None or not made[links]
    await town.run_jobs()
    seen = await read(kind, ben, made, path)
    shown = only(kind, seen)
    assert (shown["id"], shown["state"], shown["kind"]) == (upload["id"], "ready", "image")
    assert (shown["width"], set(shown["thumbnails"])) == (640, {"320", "1080"})
    assert links is None or seen[links] in (shown["url"], [shown["url"]])
    async with httpx.AsyncClient(trust_env=False, timeout=60) as browser:
        assert (await browser.get(shown["url"])).status_code == 200


@KINDS
async def test_foreign_and_unknown_uploads_are_refused_alike(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], kind: str
) -> None:
    path, body, _ = await place_of(kind, ada, ben, garden)
    theirs, gone = await town.keep_upload(ben, jpeg()), await town.keep_upload(ada, jpeg())
    await ada.delete(f"/media/{gone['id']}")
    answers = [await ada.post(path, {**body, **named(kind, one)}) for one in (theirs["id"], gone["id"], str(uuid4()))]
    assert {(one.status_code, one.json()["code"]) for one in answers} == {(422, "unknown_media")}


@WITH_LINKS
async def test_a_foreign_link_is_refused_and_an_own_one_becomes_an_id(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], kind: str
) -> None:
    path, body, links = await place_of(kind, ada, ben, garden)
    upload, theirs = await town.keep_upload(ada, jpeg()), await town.keep_upload(ben, jpeg())

    assert links is not None

    def link(url: str) -> dict[str, Any]:
        return {**body, links: url if links == "image_url" else [url]}

    store = urlsplit(upload["url"])
    elsewhere = [FOREIGN, f"{store.scheme}://{store.netloc}/lake/{uuid4()}/{uuid4()}", f"https://x.example{store.path}"]
    elsewhere.append(f"{store.scheme}://{store.netloc}@x.example{store.path}")
    for url in elsewhere:
        answer = await ada.post(path, link(url))
        assert (answer.status_code, answer.json()["code"]) == (422, "foreign_link"), url
    assert (await ada.post(path, link(theirs["url"]))).json()["code"] == "unknown_media"
    for url in (upload["url"], upload["thumbnails"]["320"], upload["url"].partition("?")[0]):
        made = await ada.post(path, link(url))
        assert made.status_code == 201, made.text
        assert only(kind, made.json())["id"] == upload["id"]


@KINDS
async def test_what_is_under_review_is_its_owners_alone(  # noqa: PLR0917 (fixtures)
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], vision: Vision, kind: str
) -> None:
    vision.answers["/classify"] = 503
    upload = await vision.keep(ada, jpeg())
    path, body, links = await place_of(kind, ada, ben, garden)
    made = (await ada.post(path, {**body, **named(kind, upload["id"])})).json()
    assert (only(kind, made)["state"], only(kind, made)["url"] is None) == ("under_review", False)
    seen = await read(kind, ben, made, path)
    hidden = only(kind, seen)
    assert (hidden["state"], hidden["url"], hidden["thumbnails"]) == ("under_review", None, {})
    assert (hidden["blur_hash"], (links and seen[links]) or None) == (None, None)
    await town.write("UPDATE uploads SET is_active = false WHERE id = :id", id=upload["id"])
    assert only(kind, await read(kind, ben, made, path))["state"] == "refused"
    assert only(kind, await read(kind, ada, made, path))["url"] is not None


@KINDS
async def test_a_deleted_upload_is_gone_from_what_showed_it(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], kind: str
) -> None:
    upload = await town.keep_upload(ada, jpeg())
    path, body, links = await place_of(kind, ada, ben, garden)
    made = (await ada.post(path, {**body, **named(kind, upload["id"])})).json()
    place = path if kind in {"message", "comment"} else f"{path}/{made['id']}"
    before = await ben.get(place)
    assert (await ada.delete(f"/media/{upload['id']}")).status_code == 204
    seen = await read(kind, ben, made, path)
    assert (seen["media"] or None, (links and seen[links]) or None) == (None, None)
    assert (await ben.get(place)).headers["etag"] != before.headers["etag"]
    for table in ("posts", "comments", "events", "reviews", "seller_reviews", "marketplace_items", "chat_messages"):
        rows = await town.rows(
            f"SELECT 1 FROM {table} WHERE media_ids @> CAST(:ids AS jsonb)", ids=f'["{upload["id"]}"]'
        )
        assert rows == []
    assert await town.rows("SELECT 1 FROM connectors WHERE media_id = :id", id=upload["id"]) == []


@KINDS
async def test_repeated_foreign_and_hidden_uploads_are_refused(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], kind: str
) -> None:
    own, hidden = [(await town.keep_upload(ada, jpeg()))["id"] for _ in range(2)]
    theirs = (await town.keep_upload(ben, jpeg()))["id"]
    await town.write("UPDATE uploads SET is_active = false WHERE id = :id", id=hidden)
    path, body, _ = await place_of(kind, ada, ben, garden)
    refused = {"unknown_media": theirs, "unusable_media": hidden}
    for code, media_id in refused.items():
        answer = await ada.post(path, {**body, **named(kind, media_id)})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    if kind != "connector":
        answer = await ada.post(path, {**body, **named(kind, own, own)})
        assert (answer.status_code, answer.json()["code"]) == (422, "repeated_media")


@KINDS
async def test_everything_shows_the_alt_text_of_the_author(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], kind: str
) -> None:
    upload = await pending(ada)
    described = await ada.put(f"/media/{upload['id']}/alt-text", {"alt_text": "A ripe tomato"})
    assert (described.status_code, described.json()["alt_text"]) == (200, "A ripe tomato")
    await town.run_jobs()
    path, body, _ = await place_of(kind, ada, ben, garden)
    made = (await ada.post(path, {**body, **named(kind, upload["id"])})).json()
    assert only(kind, await read(kind, ben, made, path))["alt_text"] == "A ripe tomato"
    for refused in ({"alt_text": "x" * 1_501}, {"alt_text": 3}, {}):
        assert (await ada.put(f"/media/{upload['id']}/alt-text", refused)).status_code == 422
    assert (await ben.put(f"/media/{upload['id']}/alt-text", {"alt_text": "Mine"})).status_code == 404
    await ada.put(f"/media/{upload['id']}/alt-text", {"alt_text": None})
    assert only(kind, await read(kind, ben, made, path))["alt_text"] is None


def change(body: dict[str, Any], media_ids: list[str]) -> dict[str, Any]:
    """Return the body of a PUT for the body of a POST."""
    return {**{name: value for name, value in body.items() if name != "connector_id"}, "media_ids": media_ids}


@pytest.mark.parametrize("kind", ["comment", "event", "review", "post", "item"])
async def test_an_edit_replaces_media_in_order_or_changes_nothing(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], kind: str
) -> None:
    first, second, third = [(await town.keep_upload(ada, jpeg()))["id"] for _ in range(3)]
    theirs = (await town.keep_upload(ben, jpeg()))["id"]
    path, body, _ = await place_of(kind, ada, ben, garden)
    answer = await ada.post(path, {**body, "media_ids": [second, first]})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert [one["id"] for one in made["media"]] == made["media_ids"] == [second, first]
    edited = f"{path}/{made['id']}"
    refused = {
        "repeated_media": [third, third],
        "unknown_media": [third, theirs],
        "invalid_request": [str(uuid4()) for _ in range(11)],
    }
    for code, media_ids in refused.items():
        answer = await ada.put(edited, change(body, media_ids))
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert (await read(kind, ada, made, path))["media_ids"] == [second, first]
    await ada.put(edited, change(body, [third, second]))
    assert (await read(kind, ben, made, path))["media_ids"] == [third, second]
    await ada.put(edited, change(body, []))
    assert (await read(kind, ben, made, path))["media"] == []


async def test_moderator_edit_leaves_pictures_and_records_history(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    uploads = [await town.keep_upload(ben, jpeg()) for _ in range(2)]
    ids = [one["id"] for one in uploads]
    post = await ben.make_post(garden, media_ids=ids)
    assert post["media_ids"] == ids
    changed = await ada.put(f"/posts/{post['id']}", {"content": "Shorter", "media_ids": ids[1:]})
    assert changed.status_code == 200, changed.text
    assert changed.json()["media_ids"] == ids[1:]
    refused = await ada.put(f"/posts/{post['id']}", {"content": "Shorter", "media_ids": ids})
    assert refused.json()["code"] == "unknown_media"
    (version,) = (await ada.get(f"/posts/{post['id']}/history")).json()["items"]
    assert [one["id"] for one in version["media"]] == ids
    await ben.put(f"/posts/{post['id']}", {"content": "Shorter"})
    assert (await ben.get(f"/posts/{post['id']}")).json()["media"] == []


async def test_connector_picture_is_neither_video_nor_failed_upload(
    town: Town, ada: Person, garden: dict[str, Any]
) -> None:
    clip = await town.keep_upload(ada, video())
    body = {"name": "Dean Street", "category": "gardening", "media_id": clip["id"]}
    assert (await ada.post("/connectors", body)).json()["code"] == "unusable_media"
    post = await ada.make_post(garden, media_ids=[clip["id"]])
    assert (post["media"][0]["kind"], post["media"][0]["url"] is None, post["image_url"]) == ("video", False, None)
    broken = await town.keep_upload(ada, jpeg()[:400])
    answer = await ada.post("/posts", {"connector_id": garden["id"], "content": "x", "media_ids": [broken["id"]]})
    assert (broken["state"], answer.json()["code"]) == ("failed", "unusable_media")


async def test_a_picture_of_a_blocked_owner_is_hidden_in_other_posts(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    reader = await town.create_user()
    post = await ben.make_post(garden)
    upload = await town.keep_upload(ada, jpeg())
    await ada.put(f"/posts/{post['id']}", {"content": "With a picture", "media_ids": [upload["id"]]})
    assert len((await reader.get(f"/posts/{post['id']}")).json()["media"]) == 1
    await town.block(ada, reader)
    assert (await reader.get(f"/posts/{post['id']}")).json()["media"] == []


async def test_a_link_and_an_etag_are_the_same_for_some_minutes(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await town.keep_upload(ada, jpeg())
    post = await ada.make_post(garden, media_ids=[upload["id"]])
    clock = {"now": 1_800_000_000.0 - 1_800_000_000 % objects.WINDOW_SECONDS}
    monkeypatch.setattr(objects, "time", SimpleNamespace(time=lambda: clock["now"]))
    first = await ben.get(f"/posts/{post['id']}")
    clock["now"] += objects.WINDOW_SECONDS - 1
    again = await ben.get(f"/posts/{post['id']}")
    assert (again.json(), again.headers["etag"]) == (first.json(), first.headers["etag"])
    known = {"If-None-Match": first.headers["etag"]}
    assert (await ben.request("GET", f"/posts/{post['id']}", headers=known)).status_code == 304
    clock["now"] += 1
    # A copy in a client's cache would show a link that ends too early; its version is still the one to write with.
    later = await ben.request("GET", f"/posts/{post['id']}", headers=known)
    assert (later.status_code, later.json()["image_url"] == first.json()["image_url"]) == (200, False)
    assert version_of(later.headers["etag"]) == version_of(first.headers["etag"])
    meant = {"If-Match": first.headers["etag"]}
    body = {"content": "Riper", "media_ids": [upload["id"]]}
    assert (await ada.request("PUT", f"/posts/{post['id']}", json=body, headers=meant)).status_code == 200
    (seconds,) = parse_qs(urlsplit(later.json()["image_url"]).query)["X-Amz-Expires"]
    assert int(seconds) == objects.LINK_SECONDS + objects.WINDOW_SECONDS


@pytest.mark.parametrize(
    "path",
    [
        "/posts/connector/{garden}",
        "/posts/feed/connectors",
        "/events/connector/{garden}",
        "/stories/connector/{garden}",
    ],
)
async def test_a_page_of_pictures_takes_as_many_statements_as_one(  # noqa: PLR0917 (fixtures)
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], statements: Any, path: str
) -> None:
    async def count() -> int:
        with statements() as sent:
            answer = await ben.get(path.format(garden=garden["id"]), limit=50)
        assert all(one["media"] for one in answer.json()["items"])
        return len(sent)

    async def add() -> None:
        upload = await town.keep_upload(ada, jpeg())
        await ada.make_post(garden, media_ids=[upload["id"]])
        event = {"connector_id": garden["id"], "title": "Swap", "start_date": "2099-05-02T14:00:00Z"}
        await ada.post("/events", {**event, "media_ids": [upload["id"]]})
        await ada.post("/stories", {"connector_id": garden["id"], "media_id": upload["id"], "title": "Ripe"})

    await add()
    await count()
    few = await count()
    for _ in range(4):
        await add()
    assert await count() == few


async def test_a_broadcast_frame_has_no_signed_link_of_the_sender(
    ada: Person, ben: Person, vision: Vision, town: Town
) -> None:
    vision.answers["/classify"] = 503
    upload = await vision.keep(ada, jpeg())
    talk = await talk_of(ada, ben)
    sent = (
        await ada.post(f"/chat/conversations/{talk}/messages", {"content": "x", "media_ids": [upload["id"]]})
    ).json()
    (event,) = [
        one
        for one in (await ben.get(f"/chat/conversations/{talk}/events")).json()["items"]
        if one["message"] is not None
    ]
    assert (sent["attachments"] != [], event["message"]["attachments"]) == (True, [])
    assert event["message"]["media"][0]["state"] == "under_review"


async def test_pictures_of_people_are_their_own_uploads(town: Town, ada: Person, ben: Person) -> None:
    upload = await town.keep_upload(ada, jpeg())
    names = {"first_name": "Ada", "last_name": "Okafor"}
    lasting = (await ada.put("/users/profile/avatar", {"media_id": upload["id"]})).json()["avatar_url"]
    for url in (lasting, upload["url"]):
        assert (await ada.put("/users/profile", {**names, "avatar_url": url})).json()["avatar_url"] == lasting
    for url in (FOREIGN, lasting.replace(town.app.state.settings.public_url, "https://x.example")):
        answer = await ada.put("/users/profile", {**names, "avatar_url": url})
        assert (answer.status_code, answer.json()["code"]) == (422, "foreign_link")
    assert (await ben.put("/users/profile", {**names, "avatar_url": lasting})).json()["code"] == "unknown_media"
    new = {**names, "email": f"{uuid4()}@example.org", "username": uuid4().hex[:20], "password": "a long pass phrase 9"}
    assert (await town.nobody.post("/users/register", {**new, "avatar_url": FOREIGN})).json()["code"] == "foreign_link"
    # Moderation hides the picture: the rest of the profile can still be changed, but the picture not be taken again.
    await town.write("UPDATE uploads SET is_active = false WHERE id = :id", id=upload["id"])
    for answer in (
        await ada.put("/users/profile", {**names, "avatar_url": lasting}),
        await ada.request("PATCH", "/users/profile", json={"first_name": "Adaeze"}),
    ):
        assert (answer.status_code, answer.json()["avatar_url"]) == (200, lasting)
    await ada.put("/users/profile", names)
    assert (await ada.put("/users/profile", {**names, "avatar_url": lasting})).json()["code"] == "unusable_media"
    await town.write("UPDATE uploads SET is_active = true WHERE id = :id", id=upload["id"])
    assert (await ada.put("/users/profile", {**names, "avatar_url": lasting})).json()["avatar_url"] == lasting
    await ada.delete(f"/media/{upload['id']}")
    assert (await ben.get(f"/users/{ada.id}")).json()["avatar_url"] is None


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"cdn_base_url": "https://cdn.example.org/media", "cdn_secret": SecretStr("x" * 32)},
        {"s3_endpoint_url": "https://s3.eu-central-1.amazonaws.com"},
    ],
    ids=["store", "cdn", "aws"],
)
async def test_a_link_leads_back_to_its_upload(settings: Settings, changed: dict[str, Any]) -> None:
    store = Objects(settings.model_copy(update=changed))
    key = f"{uuid4()}/{uuid4()}"
    for copy in ("clean", "320.webp", "h264-480.mp4"):
        assert store.target_of(await store.link(f"{key}-{copy}")) == key


async def test_a_replayed_write_has_fresh_links_and_its_row_has_none(
    town: Town, ada: Person, garden: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await town.keep_upload(ada, jpeg())
    body = {"connector_id": garden["id"], "content": "signed-link:x", "media_ids": [upload["id"]]}
    first = await ada.post("/posts", body, **{"Idempotency-Key": "p1"})
    begun = await ada.post("/media/uploads", {"size": 9}, **{"Idempotency-Key": "u1"})
    kept = await town.rows("SELECT convert_from(body, 'UTF8') FROM idempotency_keys WHERE user_id = :id", id=ada.id)
    assert len(kept) == 2
    assert not any("X-Amz" in row[0] for row in kept)
    replay = await ada.post("/posts", body, **{"Idempotency-Key": "p1"})
    assert (replay.headers["idempotent-replayed"], replay.json()) == ("true", first.json())
    again = (await ada.post("/media/uploads", {"size": 9}, **{"Idempotency-Key": "u1"})).json()
    assert again["media"] == begun.json()["media"]
    async with httpx.AsyncClient(trust_env=False, timeout=60) as browser:
        assert (await browser.put(again["upload_url"], content=b"123456789")).status_code == 200


async def test_a_reference_that_a_person_wrote_never_becomes_a_link(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    upload = await town.keep_upload(ben, jpeg())
    key = f"{ben.id}/{upload['url'].partition(str(ben.id) + '/')[2].partition('?')[0]}"
    forged = f"signed-link:{'0' * 64}::{key}"
    body = {"connector_id": garden["id"], "content": forged}
    for _ in range(2):
        answer = await ada.post("/posts", body, **{"Idempotency-Key": "forged"})
        assert answer.json()["content"] == forged


@pytest.fixture
async def release_before(town: Town) -> AsyncIterator[None]:
    """Links in the columns of the release before are emptied in the end, as a later release will do."""
    yield
    for table, column, nothing in (
        ("posts", "image_url", "NULL"),
        ("connectors", "image_url", "NULL"),
        ("marketplace_items", "images", "'[]'"),
        ("chat_messages", "attachments", "'[]'"),
        ("users", "avatar_url", "NULL"),
    ):
        await town.write(f"UPDATE {table} SET {column} = {nothing} WHERE {column} IS DISTINCT FROM {nothing}")


async def replace_stored_links(town: Town) -> None:
    async with town.app.state.context.transaction() as session:
        await queue.defer(session, replace_links)
    await town.run_jobs()


@pytest.mark.usefixtures("release_before")
async def test_stored_links_of_the_last_release_become_references(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    upload, theirs = await town.keep_upload(ada, jpeg()), await town.keep_upload(ben, jpeg())
    own, other = upload["url"][:500], theirs["url"][:500]
    posts = [await ada.make_post(garden) for _ in range(3)]
    for post, url in zip(posts, (own, FOREIGN, other), strict=True):
        await town.write("UPDATE posts SET image_url = :url WHERE id = :id", url=url, id=post["id"])
    item = (await ada.post("/marketplace/items", {"connector_id": garden["id"], **ITEM})).json()
    links = json.dumps([FOREIGN, own])
    await town.write("UPDATE marketplace_items SET images = CAST(:l AS jsonb) WHERE id = :id", l=links, id=item["id"])
    talk = await talk_of(ada, ben)
    sent = (await ada.post(f"/chat/conversations/{talk}/messages", {"content": "x"})).json()
    await town.write("UPDATE chat_messages SET attachments = CAST(:l AS jsonb) WHERE id = :id", l=links, id=sent["id"])
    await town.write("UPDATE connectors SET image_url = :url WHERE id = :id", url=own, id=garden["id"])
    await town.write("UPDATE users SET avatar_url = :url WHERE id = :id", url=own, id=ada.id)
    stored = (
        "SELECT id, image_url FROM posts WHERE author_id = :ada UNION ALL SELECT id, image_url FROM connectors "
        "WHERE id = :garden UNION ALL SELECT id, images::text FROM marketplace_items WHERE seller_id = :ada "
        "UNION ALL SELECT id, attachments::text FROM chat_messages WHERE author_id = :ada ORDER BY 1"
    )
    before = await town.rows(stored, ada=ada.id, garden=garden["id"])

    assert (await ben.get(f"/posts/{posts[1]['id']}")).json()["image_url"] is None
    for _ in range(2):
        await replace_stored_links(town)
    assert await town.rows(stored, ada=ada.id, garden=garden["id"]) == before
    shown = [(await ben.get(f"/posts/{post['id']}")).json() for post in posts]
    assert [post["media_ids"] for post in shown] == [[upload["id"]], [], []]
    assert [post["image_url"] for post in shown[1:]] == [None, None]
    shown_item = (await ben.get(f"/marketplace/items/{item['id']}")).json()
    assert (shown_item["media_ids"], len(shown_item["images"])) == ([upload["id"]], 1)
    (message,) = (await ben.get(f"/chat/conversations/{talk}/messages")).json()["items"]
    assert (message["media_ids"], len(message["attachments"])) == ([upload["id"]], 1)
    assert (await ben.get(f"/connectors/{garden['id']}")).json()["media_id"] == upload["id"]
    address = (await ben.get(f"/users/{ada.id}")).json()["avatar_url"]
    assert address == f"{town.app.state.settings.public_url}/api/v1/media/avatars/{upload['id']}"


@pytest.mark.usefixtures("release_before")
async def test_a_removed_picture_does_not_return_by_a_stored_link(
    town: Town, ada: Person, garden: dict[str, Any]
) -> None:
    upload = await town.keep_upload(ada, jpeg())
    post = await ada.make_post(garden)
    item = (await ada.post("/marketplace/items", {"connector_id": garden["id"], **ITEM})).json()
    link = upload["url"][:500]
    await town.write("UPDATE posts SET image_url = :url WHERE id = :id", url=link, id=post["id"])
    await town.write(
        "UPDATE marketplace_items SET images = CAST(:l AS jsonb) WHERE id = :id", l=json.dumps([link]), id=item["id"]
    )
    await town.write("UPDATE connectors SET image_url = :url WHERE id = :id", url=link, id=garden["id"])
    await replace_stored_links(town)
    without = (
        (f"/posts/{post['id']}", {"content": "Riper", "media_ids": []}),
        (f"/marketplace/items/{item['id']}", {**ITEM, "media_ids": []}),
        (f"/connectors/{garden['id']}", {"name": "Gardeners", "category": "gardening"}),
    )
    for path, body in without:
        answer = await ada.request("PUT", path, json=body, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text
    await replace_stored_links(town)
    assert [(await ada.get(path)).json()["media"] for path, _ in without] == [[], [], None]


@pytest.mark.usefixtures("release_before")
async def test_the_picture_of_a_person_is_shown_from_here_alone(town: Town, ada: Person, ben: Person) -> None:
    upload = await town.keep_upload(ada, jpeg())
    here = f"{town.app.state.settings.public_url}/api/v1/media/avatars/{upload['id']}"
    moved = here.replace(town.app.state.settings.public_url, "https://old.example.org")
    for stored, shown in ((FOREIGN, None), (moved, here)):
        await town.write("UPDATE users SET avatar_url = :url WHERE id = :id", url=stored, id=ada.id)
        assert (await ben.get(f"/users/{ada.id}")).json()["avatar_url"] == shown
        assert (await ada.get("/users/profile")).json()["avatar_url"] == shown
    assert (await town.nobody.get(f"/media/avatars/{upload['id']}")).status_code == 307
    await town.write("UPDATE users SET avatar_url = :url WHERE id = :id", url=FOREIGN, id=ada.id)
    talk = await talk_of(ada, ben)
    for path in (f"/chat/conversations/{talk}", "/chat/conversations", "/notifications"):
        answer = await ben.get(path)
        assert (answer.status_code, "tracker.example" in answer.text) == (200, False)


SIGNED = "X-Amz-(Signature|Credential)|signature=[0-9a-f]{64}"
"""Query parameters that mark the signed links of an object store and of a CDN."""


async def test_no_column_and_no_event_has_a_signed_link(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    upload, clip = await town.keep_upload(ada, jpeg()), await town.keep_upload(ada, video())
    for kind in ("post", "item", "message", "connector"):
        path, body, links = await place_of(kind, ada, ben, garden)
        for fields in (named(kind, upload["id"]), {links: upload["url"] if links == "image_url" else [upload["url"]]}):
            made = await ada.post(path, {**body, **fields}, **{"Idempotency-Key": uuid4().hex})
            assert made.status_code == 201, made.text
            assert "X-Amz-Signature" in made.text
            if kind == "post":
                await ada.put(f"{path}/{made.json()['id']}", {"content": "Riper", **fields})
    for path in ("/stories", "/reels"):
        shown = {"connector_id": garden["id"], "media_id": clip["id"], "title": "Ripe"}
        assert (await ada.post(path, shown, **{"Idempotency-Key": uuid4().hex})).status_code == 201
    await ada.put("/users/profile", {"first_name": "Ada", "last_name": "Okafor", "avatar_url": upload["url"]})
    for path, body in (("/media/uploads", {"size": 9}), ("/media/process", {"media_id": upload["id"]})):
        assert (await ada.post(path, body, **{"Idempotency-Key": uuid4().hex})).is_success
    assert (await ada.post("/privacy/exports", **{"Idempotency-Key": uuid4().hex})).is_success
    await town.run_jobs()
    columns = await town.rows(
        "SELECT table_name, column_name, data_type FROM information_schema.columns JOIN information_schema.tables "
        "USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE' "
        "AND data_type IN ('text', 'character varying', 'jsonb', 'json', 'bytea', 'ARRAY')"
    )
    assert {("idempotency_keys", "body"), ("cdc_outbox", "before"), ("procrastinate_jobs", "args")} <= {
        (column.table_name, column.column_name) for column in columns
    }
    signed = []
    for column in columns:
        value = f'"{column.column_name}"'
        words = f"encode({value}, 'escape')" if column.data_type == "bytea" else f"{value}::text"
        statement = f'SELECT {words} FROM "{column.table_name}" WHERE {words} ~ :signed LIMIT 1'
        signed += [(*column, *row) for row in await town.rows(statement, signed=SIGNED)]
    assert signed == []
