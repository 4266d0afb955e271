"""Consent, copies and being forgotten: a marked person is planted everywhere, and every store is searched after."""

from __future__ import annotations

import asyncio
import io
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from minio import Minio

from neighborconnect.contracts.privacy import DATABASE, PLACES, PRODUCT, Fate, Store
from neighborconnect.settings import Settings
from tests.transactional_api.media.files import jpeg
from tests.transactional_api.people import Person, Town
from tests.transactional_api.ranker import Ranker
from tests.transactional_api.test_accounts import PASSWORD, register
from transactional_api.db.base import Base
from transactional_api.db.meanings import MEANINGS
from transactional_api.housekeeping import CLOCKS, turn_clocks
from transactional_api.mail import letters
from transactional_api.media.stores import open_media
from transactional_api.privacy import exports, forgetting

SUNDAY = {"title": "Swap", "description": "Seeds", "location": "Dean Street 12"}


def soon(days: int = 3) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


async def done(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


class Marked:
    """A person whose every word has the mark, and what they did."""

    def __init__(self, person: Person, mark: str) -> None:
        self.person, self.mark = person, mark
        self.things: dict[str, Any] = {}


async def plant(town: Town) -> Marked:
    """Let a marked person do everything that leaves something."""
    mark = f"mark{uuid4().hex[:16]}"
    session = await register(
        town,
        email=f"{mark}@example.org",
        username=mark,
        first_name=mark,
        last_name=mark,
        neighborhood=mark,
        city=mark,
        postal_code=mark[:20],
        phone=mark[:20],
        interests=[mark],
        avatar_url=f"https://media.example.org/{mark}",
    )
    me, other = Person(UUID(session["user"]["id"]), town.http, session["access_token"]), await town.settle()
    marked = Marked(me, mark)
    await done(await me.put("/users/profile/home", {"latitude": 40.6722, "longitude": -73.9772}))
    theirs = await other.make_connector()
    await done(await me.post(f"/connectors/{theirs['id']}/join"))
    await me.make_connector(name=mark, description=mark, rules=mark)  # Where nobody else is.
    own = await me.make_connector()
    await done(await other.post(f"/connectors/{own['id']}/join"))
    post = await me.make_post(theirs, content=f"{mark} #{mark}", title=mark)
    await done(await me.put(f"/posts/{post['id']}", {"content": f"{mark} again", "title": mark}))
    answered = await other.make_post(theirs)
    await done(await me.post(f"/posts/{answered['id']}/like"))
    await done(await me.put(f"/posts/{answered['id']}/reaction", {"kind": "love"}))
    mine = await done(await me.post(f"/posts/{answered['id']}/comments", {"content": mark}))
    reply = {"content": "Yes", "parent_id": mine["id"]}
    theirs_too = await done(await other.post(f"/posts/{answered['id']}/comments", reply))
    await done(await me.post(f"/posts/{answered['id']}/comments/{theirs_too['id']}/like"))
    event = {"title": mark, "description": mark, "location": mark, "start_date": soon(), "connector_id": own["id"]}
    held = await done(await me.post("/events", event))
    await done(await other.post(f"/events/{held['id']}/rsvp", {"status": "attending"}))
    full = {**SUNDAY, "start_date": soon(), "connector_id": theirs["id"], "max_attendees": 1}
    visited = await done(await other.post("/events", full))
    waits = await town.settle()
    await done(await waits.post(f"/connectors/{theirs['id']}/join"))
    for person in (me, waits):
        await done(await person.post(f"/events/{visited['id']}/rsvp", {"status": "attending"}))
    item = {"connector_id": own["id"], "title": mark, "description": mark, "price": "5.00", "category": "tools"}
    await done(await me.post("/marketplace/items", item))
    offered = {**item, "connector_id": theirs["id"], "title": "Rake", "description": "Old"}
    bought = await done(await other.post("/marketplace/items", offered))
    await done(await me.post(f"/marketplace/items/{bought['id']}/buy"))
    review = {"connector_id": theirs["id"], "title": mark, "content": mark, "rating": 4}
    await done(await me.post("/reviews", review))
    chat = await done(await me.post("/chat/conversations", {"kind": "direct", "user_id": str(other.id)}))
    await done(await me.post(f"/chat/conversations/{chat['id']}/messages", {"content": mark}))
    upload = await town.keep_upload(me, jpeg())
    await done(await me.post("/stories", {"media_id": upload["id"], "title": mark, "connector_id": theirs["id"]}))
    await done(await me.post("/moderation/reports", report(answered, mark)))
    await done(await other.post("/moderation/reports", report(post, "spam")))
    await done(await me.post("/users/" + str(other.id) + "/follow"))
    await done(await me.post("/privacy/exports"))
    await done(await me.put("/privacy/consents/marketing", {"granted": True}))
    await town.run_jobs()
    # A day before it: the other one has the event's title among their notifications.
    await town.write("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE args->>'event_id' = :id", id=held["id"])
    await town.run_jobs()
    marked.things = {
        "post": post,
        "comment": mine,
        "own": own,
        "visited": visited,
        "waits": waits,
        "other": other,
        "answered": answered,
        "bought": bought,
        "item": item,
        "theirs": theirs,
    }
    return marked


def report(post: dict[str, Any], words: str) -> dict[str, str]:
    return {"subject_kind": "post", "subject_id": post["id"], "reason": "other", "words": words}


async def erase(town: Town, person: Person, *, keep_words: bool = False) -> dict[str, Any]:
    answer = await person.post("/privacy/erasures", {"password": PASSWORD, "keep_words": keep_words})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def rows_with(town: Town, words: str) -> dict[str, int]:
    """Every table of the product database that has the words anywhere in it, with how many rows."""
    tables = await town.rows(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    found = {}
    for (name,) in tables:
        [(number,)] = await town.rows(
            f'SELECT count(*) FROM "{name}" t WHERE t::text LIKE :words',
            words=f"%{words}%",
        )
        if number:
            found[name] = number
    return found


@pytest.fixture
async def marked(town: Town) -> Marked:
    return await plant(town)


def test_the_registry_has_every_column_that_names_a_person() -> None:
    keys = {
        (table.name, key.parent.name)
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name == "users"
    }
    known = {(place.name, place.person) for place in DATABASE}
    assert known == keys | {("users", "id"), ("audit_log", "actor_id"), ("meanings", "subject_id")}
    assert len({place.label for place in PLACES}) == len(PLACES)


def test_steps_and_fates_agree_with_the_columns() -> None:
    for place in DATABASE:
        table = MEANINGS if place.name == MEANINGS.name else Base.metadata.tables[place.name]
        column = table.columns[place.person]
        if place.fate is Fate.UNLINKED:
            assert column.nullable, place.label
        if place.fate is Fate.BLANKED and place.name != "users":
            assert f"{place.name}.{place.person}" in forgetting.STEPS, place.label


async def test_nothing_of_an_erased_person_is_left(town: Town, marked: Marked, settings: Settings) -> None:
    planted = await rows_with(town, marked.mark)
    assert {"posts", "notifications", "chat_messages", "moderation_cases"} <= set(planted), "the plant does not grow"
    me, redis = str(marked.person.id), town.app.state.redis
    await redis.set(f"user:{me}:online", "1")
    await redis.zadd("users:online", {me: 2**40})
    await redis.rpush(f"user:{me}:notifications", str(uuid4()))
    receipt = await erase(town, marked.person)
    await town.run_jobs()
    assert await rows_with(town, marked.mark) == {"cdc_outbox": (await rows_with(town, marked.mark))["cdc_outbox"]}
    kept = {place.name for place in DATABASE if place.fate in {Fate.KEPT, Fate.BLANKED}}
    # Reports and jobs name the thing; conversations the pair in their key; events of change capture are on their way.
    ways = {"cdc_outbox", "conversations"}
    assert set(await rows_with(town, me)) <= kept | ways
    media = open_media(town.app.state.resources)
    for place in PRODUCT:
        if place.store is Store.DOCUMENTS:
            assert await media.documents.find(place.name, matching={place.person: me}, limit=1) == []
    assert bucket_keys(settings, prefix=me) == []
    assert [key async for key in redis.scan_iter(f"*{me}*") if not key.startswith(b"rate:")] == []
    assert await redis.zscore("users:online", me) is None
    assert [one for one in letters.lying(settings) if marked.mark in str(one["To"])] == []
    said = (await town.nobody.get(f"/privacy/receipts/{receipt['code']}")).json()
    assert said["done_at"] is not None
    assert [line["place"] for line in said["lines"]].count("database:users.id") == 1
    assert {line["place"] for line in said["lines"]} == {place.label for place in PRODUCT}


def bucket_keys(settings: Settings, *, prefix: str) -> list[str | None]:
    client = Minio(
        settings.s3_endpoint_url.removeprefix("http://"),
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=False,
    )
    return [one.object_name for one in client.list_objects(settings.s3_media_bucket, prefix=prefix, recursive=True)]


async def test_what_was_on_its_way_into_the_bucket_goes_later(town: Town, settings: Settings) -> None:
    session = await register(town)
    person = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    link = await open_media(town.app.state.resources).objects.target(f"{person.id}/late.mp4")
    erasure = await erase(town, person)
    await town.run_jobs()
    async with httpx.AsyncClient() as plain:
        assert (await plain.put(link, content=b"late")).status_code == 200
    assert bucket_keys(settings, prefix=str(person.id)) != []
    await town.write(
        "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE args->>'erasure_id' = :id", id=erasure["id"]
    )
    await town.run_jobs()
    assert bucket_keys(settings, prefix=str(person.id)) == []


async def test_what_others_have_stays_whole(town: Town, marked: Marked) -> None:
    things = marked.things
    await erase(town, marked.person)
    await town.run_jobs()
    other: Person = things["other"]
    answered = (await other.get(f"/posts/{things['answered']['id']}")).json()
    assert (answered["likes_count"], answered["comments_count"]) == (0, 1)
    own = (await other.get(f"/connectors/{things['own']['id']}")).json()
    assert (own["role"], own["member_count"], own["post_count"]) == ("admin", 1, 0), "who stays looks after it"
    event = (await things["waits"].get(f"/events/{things['visited']['id']}")).json()
    assert (event["attendee_count"], event["status"]) == (1, "attending"), "the wait list moved up"
    rake = (await other.get(f"/marketplace/items/{things['bought']['id']}")).json()
    assert rake["status"] == "available", "an open purchase was called off"
    assert (await other.get(f"/users/{marked.person.id}")).status_code == 404


async def test_words_may_stay_without_a_name(town: Town, marked: Marked) -> None:
    await erase(town, marked.person, keep_words=True)
    await town.run_jobs()
    post = (await marked.things["other"].get(f"/posts/{marked.things['post']['id']}")).json()
    assert post["content"] == f"{marked.mark} again"
    [(first, email, phone)] = await town.rows(
        "SELECT first_name, email, phone_sealed FROM users WHERE id = :id", id=marked.person.id
    )
    assert (first, marked.mark in email, phone) == ("Former", False, None)


async def test_an_erased_account_is_closed_at_once_and_its_name_free(town: Town) -> None:
    session = await register(town)
    person = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    wrong = await person.post("/privacy/erasures", {"password": "not this one", "keep_words": False})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    receipt = await erase(town, person)
    assert (await person.get("/users/profile")).status_code == 401
    email = session["user"]["email"]
    assert (await town.nobody.post("/users/login", {"email": email, "password": PASSWORD})).status_code == 401
    waiting = (await town.nobody.get(f"/privacy/receipts/{receipt['code']}")).json()
    assert (waiting["done_at"], waiting["lines"]) == (None, [])
    await town.run_jobs()
    again = await register(town, email=email, username=session["user"]["username"])
    assert again["user"]["id"] != session["user"]["id"]


async def test_asking_twice_at_once_is_one_erasure(town: Town) -> None:
    session = await register(town)
    person = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    body = {"password": PASSWORD, "keep_words": False}
    answers = await asyncio.gather(*(person.post("/privacy/erasures", body) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [202, 401, 401]


async def test_a_job_that_dies_goes_on_where_it_was(
    town: Town, marked: Marked, monkeypatch: pytest.MonkeyPatch
) -> None:
    erasure = await erase(town, marked.person)
    resources, asked = town.app.state.resources, 0

    async def dies(*_: Any) -> int:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setitem(forgetting.STEPS, "comments.author_id", dies)
        with pytest.raises(ConnectionError):
            await run_forget(resources, erasure["id"])
    half = (await town.nobody.get(f"/privacy/receipts/{erasure['code']}")).json()
    seen_to = {line["place"] for line in half["lines"]}
    assert "database:posts.author_id" in seen_to
    assert half["done_at"] is None

    async def counted(*_: Any) -> int:
        nonlocal asked
        asked += 1
        return 0

    with monkeypatch.context() as watched:
        watched.setitem(forgetting.STEPS, "posts.author_id", counted)
        await run_forget(resources, erasure["id"])
    whole = (await town.nobody.get(f"/privacy/receipts/{erasure['code']}")).json()
    assert (asked, whole["done_at"] is not None) == (0, True)
    labels = [line["place"] for line in whole["lines"]]
    assert sorted(labels) == sorted(place.label for place in PRODUCT)
    await run_forget(resources, erasure["id"])
    assert (await town.nobody.get(f"/privacy/receipts/{erasure['code']}")).json() == whole


async def run_forget(resources: Any, erasure_id: str) -> None:
    context = type("Context", (), {"additional_context": {"resources": resources}, "job": None})()
    await forgetting.forget.func(context, erasure_id=erasure_id)


async def test_the_platform_reports_with_its_token_once(town: Town, settings: Settings) -> None:
    session = await register(town)
    person = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    erasure = await erase(town, person)
    line = {"place": "lake:interactions.user_id", "fate": "deleted", "number": 7, "at": soon(0)}
    path, body = f"/privacy/erasures/{erasure['id']}/platform", {"lines": [line]}
    token = {"X-Platform-Token": settings.platform_token.get_secret_value()}
    assert (await town.nobody.post(path, body)).status_code == 403
    assert (await town.nobody.post(path, body, **{"X-Platform-Token": "x"})).status_code == 403
    for _ in range(2):
        assert (await town.nobody.post(path, body, **token)).status_code == 204
    said = (await town.nobody.get(f"/privacy/receipts/{erasure['code']}")).json()
    assert [one["number"] for one in said["lines"]] == [7]
    assert said["platform_done_at"] is not None
    unknown = await town.nobody.post(f"/privacy/erasures/{uuid4()}/platform", body, **token)
    assert unknown.status_code == 404


async def test_a_copy_has_what_one_did_and_nothing_that_others_did_to_one(
    town: Town, marked: Marked, settings: Settings
) -> None:
    me, other = marked.person, marked.things["other"]
    await town.block(other, me)
    [waiting] = (await me.get("/privacy/exports")).json()["items"]
    begun = await me.post("/privacy/exports")
    assert (begun.status_code, begun.json()["state"]) == (202, "waiting")
    assert (await me.post("/privacy/exports")).json()["code"] == "export_waiting"
    await town.run_jobs()
    ready = (await me.get(f"/privacy/exports/{begun.json()['id']}")).json()
    assert (ready["state"], waiting["state"]) == ("ready", "ready")
    async with httpx.AsyncClient() as plain:
        archive = zipfile.ZipFile(io.BytesIO((await plain.get(ready["url"])).content))
    names = set(archive.namelist())
    files = {name: orjson.loads(archive.read(name)) for name in names if name.endswith(".json")}
    [profile] = files["database/users.id.json"]
    assert (profile["email"], profile["home"]["latitude"]) == (f"{marked.mark}@example.org", 40.6722)
    assert not {"password_hash", "email_sealed", "phone_sealed", "home_sealed"} & set(profile)
    assert files["database/posts.author_id.json"][0]["content"] == f"{marked.mark} again"
    assert len(files["documents/media.json"]) == 1
    assert len([name for name in names if name.startswith("uploads/")]) == 1
    assert "database/blocks.blocked_id.json" not in names
    page = archive.read("index.html").decode()
    assert all(name in page for name in names - {"index.html"})
    assert "it follows within minutes" in page, "the pipelines' part is not in it"
    assert (await other.get(f"/privacy/exports/{ready['id']}")).status_code == 404


async def test_a_copy_is_complete_with_the_pipelines_part(town: Town, settings: Settings) -> None:
    person, token = await town.settle(), {"X-Platform-Token": settings.platform_token.get_secret_value()}
    copy = (await person.post("/privacy/exports")).json()

    async def lacking() -> dict[str, str]:
        answer = await town.nobody.ask("GET", "/privacy/platform/exports", headers=token)
        return {one["id"]: one["upload_url"] for one in answer.json()["exports"] if one["user_id"] == str(person.id)}

    assert await lacking() == {}, "it is not even made"
    await town.run_jobs()
    assert (await person.get(f"/privacy/exports/{copy['id']}")).json()["complete"] is False
    done_at = f"/privacy/exports/{copy['id']}/platform"
    assert (await town.nobody.post(done_at, **token)).status_code == 204
    await town.run_jobs()
    links = await lacking()
    assert set(links) == {copy["id"]}, "nothing was put"
    part = io.BytesIO()
    with zipfile.ZipFile(part, "w") as archive:
        archive.writestr("lake/interactions.json", orjson.dumps([{"kind": "click"}, {"kind": "hide"}]))
    async with httpx.AsyncClient() as plain:
        assert (await plain.put(links[copy["id"]], content=part.getvalue())).status_code == 200
        for _ in range(2):
            assert (await town.nobody.post(done_at, **token)).status_code == 204
            await town.run_jobs()
        whole = (await person.get(f"/privacy/exports/{copy['id']}")).json()
        archive = zipfile.ZipFile(io.BytesIO((await plain.get(whole["url"])).content))
    assert whole["complete"] is True
    assert [one["kind"] for one in orjson.loads(archive.read("lake/interactions.json"))] == ["click", "hide"]
    page = archive.read("index.html").decode()
    assert "<td>2<td>What you did with what you saw" in page
    assert "it follows within minutes" not in page
    assert await lacking() == {}
    assert bucket_keys(settings, prefix=f"{person.id}/exports") == [f"{person.id}/exports/{copy['id']}.zip"]
    assert (await town.nobody.post(f"/privacy/exports/{uuid4()}/platform", **token)).status_code == 404


async def test_a_copy_expires_with_its_object(town: Town, settings: Settings) -> None:
    person = await town.settle()
    export = (await person.post("/privacy/exports")).json()
    await town.run_jobs()
    assert bucket_keys(settings, prefix=f"{person.id}/exports") != []
    await town.write("UPDATE data_exports SET expires_at = now() WHERE id = :id", id=export["id"])
    assert (await person.get(f"/privacy/exports/{export['id']}")).status_code == 404
    await exports.remove_expired(town.app.state.resources)
    assert bucket_keys(settings, prefix=f"{person.id}/exports") == []


async def test_a_copy_of_somebody_who_is_forgotten_meanwhile_is_not_kept(
    town: Town, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, write = await town.settle(), exports._write

    async def forgotten_meanwhile(*words: Any, **named: Any) -> None:
        await write(*words, **named)
        await town.write("DELETE FROM data_exports WHERE user_id = :id", id=person.id)

    monkeypatch.setattr(exports, "_write", forgotten_meanwhile)
    await person.post("/privacy/exports")
    await town.run_jobs()
    assert bucket_keys(settings, prefix=str(person.id)) == []


async def test_consents_have_defaults_and_a_history(town: Town, ada: Person) -> None:
    before = (await ada.get("/privacy/consents")).json()["consents"]
    granted = {one["purpose"]: one["granted"] for one in before}
    assert granted == {"personalisation": True, "analytics": True, "marketing": False, "research": False}
    assert {one["said_at"] for one in before} == {None}
    for word in (True, False, False):
        await done(await ada.put("/privacy/consents/research", {"granted": word}))
    first = (await ada.get("/privacy/consents/history", limit=1)).json()
    second = (await ada.get("/privacy/consents/history", limit=1, cursor=first["next_cursor"])).json()
    assert [first["items"][0]["granted"], second["items"][0]["granted"], second["next_cursor"]] == [False, True, None]
    assert (await ada.put("/privacy/consents/telepathy", {"granted": True})).status_code == 422


async def test_who_withdraws_personalisation_is_served_without_the_model_at_once(
    town: Town, ada: Person, ranker: Ranker
) -> None:
    await ada.make_post(await ada.make_connector())
    assert (await ada.post("/recommendations/content", {})).json()["reason_code"] != "no_consent"
    assert len(ranker.asked) == 1
    await done(await ada.put("/privacy/consents/personalisation", {"granted": False}))
    feed = (await ada.post("/recommendations/content", {})).json()
    assert (feed["path"], feed["reason_code"], len(ranker.asked)) == ("popular_nearby", "no_consent", 1)
    matches = (await ada.post("/matching/users", {})).json()
    assert (matches["path"], matches["reason_code"]) == ("rules", "no_consent")
    [(said,)] = await town.rows("SELECT personalised FROM users WHERE id = :id", id=ada.id)
    assert said is False


async def test_who_refuses_both_is_not_watched_and_may_still_hide(town: Town, ada: Person) -> None:
    post = await ada.make_post(await ada.make_connector())
    for purpose in ("personalisation", "analytics"):
        await done(await ada.put(f"/privacy/consents/{purpose}", {"granted": False}))
    what = {"item_kind": "post", "item_id": post["id"], "request_id": str(uuid4())}
    hide = {"kind": "hide", **what, "occurred_at": soon(-1)}
    receipt = (await ada.post("/interactions", {"interactions": [hide]})).json()
    assert (receipt["accepted"], receipt["rejected"]) == (0, [{"index": 0, "code": "no_consent"}])
    await done(await ada.post("/recommendations/content", {}))
    events = await town.rows("SELECT topic FROM cdc_outbox WHERE key = :id AND payload IS NOT NULL", id=str(ada.id))
    hidden = await town.rows("SELECT item_id FROM hidden_items WHERE user_id = :id", id=ada.id)
    assert (events, len(hidden)) == ([], 1)


async def test_everybody_can_see_where_data_lies_and_for_how_long(ada: Person) -> None:
    said = (await ada.get("/privacy/places")).json()
    assert len(said["places"]) == len(PLACES)
    assert {clock["data"] for clock in said["clocks"]} == {clock.data for clock in CLOCKS}


async def test_clocks_end_what_is_old_and_nothing_else(town: Town, ada: Person) -> None:
    connector = await ada.make_connector()
    old, new, standing = [await ada.make_post(connector) for _ in range(3)]
    for post in (old, new):
        await ada.delete(f"/posts/{post['id']}")
    ages = {old["id"]: 91, new["id"]: 1, standing["id"]: 1_000}
    for post_id, days in ages.items():
        await town.write(
            "UPDATE posts SET updated_at = now() - make_interval(days => :days) WHERE id = :id", days=days, id=post_id
        )
    ended = await turn_clocks(town.app.state.engine)
    words = {
        str(row.id): row.content
        for row in await town.rows("SELECT id, content FROM posts WHERE author_id = :id", id=ada.id)
    }
    assert (words[old["id"]], bool(words[new["id"]]), bool(words[standing["id"]])) == ("", True, True)
    assert ended["words of posts that were deleted"] >= 1
