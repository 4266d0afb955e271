"""Being forgotten: every store is searched for a marked person after."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from neighborconnect.contracts.privacy import DATABASE_LOCATIONS, PRODUCT_LOCATIONS, ErasureAction, Store
from neighborconnect.settings import Settings
from tests.transactional_api.people import Person, Town
from tests.transactional_api.privacy.marked import Marked, bucket_keys, erase, soon
from tests.transactional_api.test_accounts import PASSWORD, register, registration
from transactional_api.core import mailer
from transactional_api.core.media.stores import open_media
from transactional_api.governance.privacy import erasure_job
from transactional_api.governance.privacy.reapply_erasures import RegisteredErasure, reapply
from transactional_api.identity.users.sessions import hash_token


async def test_nothing_of_an_erased_person_is_left(town: Town, marked: Marked, settings: Settings) -> None:
    planted = await rows_with(town, marked.mark)
    assert {"posts", "chat_messages", "moderation_cases"} <= set(planted), "the plant does not grow"
    assert "notifications" not in planted, "notifications render words when they are read"
    me, redis = str(marked.person.id), town.app.state.redis
    await redis.set(f"user:{me}:online", "1")
    await redis.zadd("users:online", {me: 2**40})
    await redis.rpush(f"user:{me}:notifications", str(uuid4()))
    await redis.xadd(f"user:{me}:feeds", {"items": str(uuid4())})
    receipt = await erase(town, marked.person)
    await town.run_jobs()
    left = await rows_with(town, marked.mark)
    # Attendees keep the title of an event that was called off, in the notice that says so.
    [(canceled,)] = await town.rows(
        "SELECT count(*) FROM notifications WHERE kind = 'event.cancelled' AND body = :title", title=marked.mark
    )
    assert left == {"cdc_outbox": left["cdc_outbox"], "notifications": canceled}
    kept = {
        location.name
        for location in DATABASE_LOCATIONS
        if location.action in {ErasureAction.RETAINED, ErasureAction.REDACTED}
    }
    # Reports and jobs name the thing; conversations the pair in their key; events of change capture are on their way.
    ways = {"cdc_outbox", "conversations"}
    assert set(await rows_with(town, me)) <= kept | ways
    media = open_media(town.app.state.context)
    for location in PRODUCT_LOCATIONS:
        if location.store is Store.DOCUMENTS:
            assert await media.documents.find(location.name, matching={location.subject_key: me}, limit=1) == []
    assert bucket_keys(settings, prefix=me) == []
    assert [key async for key in redis.scan_iter(f"*{me}*") if not key.startswith(b"rate:")] == []
    assert await redis.zscore("users:online", me) is None
    assert [one for one in mailer.list_stored(settings) if marked.mark in str(one["To"])] == []
    said = (await town.nobody.get(f"/privacy/receipts/{receipt['code']}")).json()
    assert said["done_at"] is not None
    assert [line["location"] for line in said["lines"]].count("database:users.id") == 1
    assert {line["location"] for line in said["lines"]} == {location.label for location in PRODUCT_LOCATIONS}


async def test_what_was_on_its_way_into_the_bucket_goes_later(town: Town, settings: Settings) -> None:
    session = await register(town)
    person = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    link = await open_media(town.app.state.context).objects.target(f"{person.id}/late.mp4")
    erasure = await erase(town, person)
    await town.run_jobs()
    async with httpx.AsyncClient(timeout=60) as plain:
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
    assert (answered["like_count"], answered["comment_count"]) == (0, 1)
    own = (await other.get(f"/connectors/{things['own']['id']}")).json()
    assert (own["role"], own["member_count"], own["post_count"]) == ("admin", 1, 0), "who stays looks after it"
    event = (await things["waits"].get(f"/events/{things['visited']['id']}")).json()
    assert (event["attendee_count"], event["viewer_status"]) == (1, "attending"), "the wait list moved up"
    rake = (await other.get(f"/marketplace/items/{things['bought']['id']}")).json()
    assert rake["status"] == "available", "an open purchase was called off"
    assert (await other.get(f"/users/{marked.person.id}")).status_code == 404


async def test_words_may_stay_without_a_name(town: Town, marked: Marked) -> None:
    await erase(town, marked.person, keep_words=True)
    await town.run_jobs()
    post = (await marked.things["other"].get(f"/posts/{marked.things['post']['id']}")).json()
    assert (post["content"], post["media"]) == (f"{marked.mark} again", [])
    authors = {
        **dict.fromkeys(("posts", "comments", "chat_messages"), "author_id"),
        "events": "created_by",
        "reviews": "reviewer_id",
        "marketplace_items": "seller_id",
        "seller_reviews": "buyer_id",
    }
    for table, author in authors.items():
        kept = await town.rows(f"SELECT media_ids FROM {table} WHERE {author} = :id", id=marked.person.id)
        assert {str(ids) for (ids,) in kept} == {"[]"}, table
    [(first, email, phone)] = await town.rows(
        "SELECT first_name, email_hash, phone_encrypted FROM users WHERE id = :id", id=marked.person.id
    )
    assert (first, marked.mark in email, phone) == ("Former", False, None)


async def test_an_erased_account_closes_at_once_and_frees_its_address(town: Town) -> None:
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
    again = await register(town, email=email)
    assert again["user"]["id"] != session["user"]["id"]


async def test_a_person_whom_a_restore_brought_back_is_erased(town: Town) -> None:
    session = await register(town)
    person = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    code, context = secrets.token_urlsafe(32), town.app.state.context
    known = RegisteredErasure(id=uuid4(), user_id=person.id, keeps_words=False, code_hash=hash_token(code))
    of_another_home = known.model_copy(update={"id": uuid4(), "user_id": uuid4()})
    assert await reapply(context, [known, of_another_home, known]) == 1
    assert (await person.get("/users/profile")).status_code == 401
    await town.run_jobs()
    receipt = (await town.nobody.get(f"/privacy/receipts/{code}")).json()
    assert (receipt["id"], receipt["done_at"] is None) == (str(known.id), False)


async def test_the_username_of_an_erased_person_is_never_given_again(town: Town) -> None:
    name = f"ada.{uuid4().hex[:12]}"
    session = await register(town, username=name)
    person = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    await erase(town, person)
    for _ in range(2):  # While the job waits, and after it.
        for again in (name, name.upper(), name.replace(".", "-"), name.replace(".", "")):
            answer = await town.nobody.post("/users/register", registration(username=again))
            assert (answer.status_code, answer.json()["code"]) == (409, "username_taken")
        await town.run_jobs()
    everything = str(await town.rows("SELECT * FROM retired_usernames"))
    assert name not in everything
    assert str(person.id) not in everything


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
    context, asked = town.app.state.context, 0

    async def dies(*_: Any) -> int:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setitem(erasure_job.STEPS, "comments.author_id", dies)
        with pytest.raises(ConnectionError):
            await run_erasure(context, erasure["id"])
    half = (await town.nobody.get(f"/privacy/receipts/{erasure['code']}")).json()
    seen_to = {line["location"] for line in half["lines"]}
    assert "database:posts.author_id" in seen_to
    assert half["done_at"] is None

    async def counted(*_: Any) -> int:
        nonlocal asked
        asked += 1
        return 0

    with monkeypatch.context() as patched:
        patched.setitem(erasure_job.STEPS, "posts.author_id", counted)
        await run_erasure(context, erasure["id"])
    whole = (await town.nobody.get(f"/privacy/receipts/{erasure['code']}")).json()
    assert (asked, whole["done_at"] is not None) == (0, True)
    labels = [line["location"] for line in whole["lines"]]
    assert sorted(labels) == sorted(location.label for location in PRODUCT_LOCATIONS)
    await run_erasure(context, erasure["id"])
    assert (await town.nobody.get(f"/privacy/receipts/{erasure['code']}")).json() == whole


async def test_the_platform_reports_with_its_token_once(town: Town, settings: Settings) -> None:
    session = await register(town)
    person = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    erasure = await erase(town, person)
    line = {"location": "lake:interactions.user_id", "action": "deleted", "row_count": 7, "completed_at": soon(0)}
    path, body = f"/privacy/erasures/{erasure['id']}/platform", {"lines": [line]}
    token = {"X-Platform-Token": settings.platform_token.get_secret_value()}
    assert (await town.nobody.post(path, body)).status_code == 403
    assert (await town.nobody.post(path, body, **{"X-Platform-Token": "x"})).status_code == 403
    for _ in range(2):
        assert (await town.nobody.post(path, body, **token)).status_code == 204
    said = (await town.nobody.get(f"/privacy/receipts/{erasure['code']}")).json()
    assert [line["row_count"] for line in said["lines"]] == [7]
    assert said["platform_done_at"] is not None
    unknown = await town.nobody.post(f"/privacy/erasures/{uuid4()}/platform", body, **token)
    assert unknown.status_code == 404


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


async def run_erasure(context: Any, erasure_id: str) -> None:
    context = type("Context", (), {"additional_context": {"resources": context}, "job": None})()
    await erasure_job.erase.func(context, erasure_id=erasure_id)


async def test_the_platform_asks_which_erasures_were_requested(town: Town, settings: Settings) -> None:
    token = {"X-Platform-Token": settings.platform_token.get_secret_value()}
    accounts = [await register(town) for _ in range(3)]
    people = [Person(UUID(one["user"]["id"]), town.http, one["access_token"]) for one in accounts]
    ids = sorted([(await erase(town, person))["id"] for person in people])

    async def ask(query: str) -> list[dict[str, Any]]:
        answer = await town.nobody.request("GET", f"/privacy/platform/erasures?{query}", headers=token)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["erasures"])

    named = "&".join(f"id={one}" for one in [*ids, uuid4()])
    assert [one["id"] for one in await ask(named)] == ids
    assert {one["user_id"] for one in await ask(named)} == {str(person.id) for person in people}
    assert {one["keep_words"] for one in await ask(named)} == {False}
    assert [one["id"] for one in await ask(f"{named}&after={ids[0]}")] == ids[1:]
    assert await ask(f"{named}&since=2100-01-01T00:00:00Z") == []
    assert (await town.nobody.get("/privacy/platform/erasures")).status_code == 403
