"""Repeated writes: the same key and body do a thing once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import insert, update

from tests.transactional_api.people import API, Person, Town
from transactional_api.core.db.tables import IdempotencyKey, RefreshToken
from transactional_api.governance.privacy.retention import remove_expired_rows

OF_EACH_REQUEST = {"x-request-id", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}
BODY = {"name": "Dean Street Gardeners", "category": "gardening"}


async def test_the_same_key_and_body_get_the_first_answer(town: Town, ada: Person) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first = await ada.post("/connectors", BODY, **key)
    second = await ada.post("/connectors", BODY, **key)
    assert (second.status_code, second.content) == (201, first.content)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert await town.rows("SELECT count(*) FROM connectors WHERE created_by = :id", id=ada.id) == [(1,)]


async def test_a_replay_has_the_headers_of_the_first_answer(ada: Person) -> None:
    made = await ada.make_connector()
    writes = [
        ("POST", "/connectors", BODY),
        ("PUT", f"/connectors/{made['id']}", BODY),
        ("DELETE", f"/connectors/{made['id']}", None),
    ]
    for method, path, body in writes:
        key = {"Idempotency-Key": str(uuid4())}
        first, second = [await ada.request(method, path, json=body, headers=key) for _ in range(2)]
        own = {name: value for name, value in first.headers.items() if name not in OF_EACH_REQUEST}
        replayed = {name: value for name, value in second.headers.items() if name not in OF_EACH_REQUEST}
        assert replayed == own | {"idempotent-replayed": "true"}
        assert ("etag" in own) == (method == "PUT")


async def test_an_answer_without_a_body_is_kept_too(ada: Person) -> None:
    post = await ada.make_post(await ada.make_connector())
    headers = {"Idempotency-Key": str(uuid4())}
    answers = [await ada.request("DELETE", f"/posts/{post['id']}", headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]


async def test_the_same_key_with_another_body_or_path_is_refused(ada: Person) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    await ada.post("/connectors", BODY, **key)
    other_body = await ada.post("/connectors", BODY | {"name": "Others"}, **key)
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency_key_reused")
    connector = await ada.make_connector()
    posts = [await ada.make_post(connector) for _ in range(2)]
    paths = [await ada.post(f"/posts/{post['id']}/like", **key) for post in posts]
    assert [answer.status_code for answer in paths] == [200, 422]


async def test_keys_of_two_people_are_two_keys(ada: Person, ben: Person) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first, second = await ada.post("/connectors", BODY, **key), await ben.post("/connectors", BODY, **key)
    assert first.json()["id"] != second.json()["id"]


async def test_a_write_that_failed_may_be_tried_again(town: Town, ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    key = {"Idempotency-Key": str(uuid4())}
    body = {"connector_id": connector["id"], "content": "Hello"}
    assert (await ben.post("/posts", body, **key)).status_code == 403
    await town.add_member(ben, connector)
    assert (await ben.post("/posts", body, **key)).status_code == 201


async def test_of_many_at_once_one_works_and_the_others_are_told(town: Town, ada: Person) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    answers = await asyncio.gather(*(ada.post("/connectors", BODY, **key) for _ in range(6)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert await town.rows("SELECT count(*) FROM connectors WHERE created_by = :id", id=ada.id) == [(1,)]


async def test_a_key_is_forgotten_after_its_day(town: Town, ada: Person) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first = await ada.post("/connectors", BODY, **key)
    async with town.app.state.engine.begin() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await connection.execute(update(IdempotencyKey).where(IdempotencyKey.user_id == ada.id).values(expires_at=past))
    second = await ada.post("/connectors", BODY | {"name": "Others"}, **key)
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


async def test_tokens_are_never_kept_with_a_key(town: Town) -> None:
    name = uuid4().hex
    body = {
        "email": f"{name}@example.org",
        "username": name,
        "password": "a long pass phrase",
        "first_name": "Ada",
        "last_name": "Okafor",
    }
    answer = await town.nobody.post("/users/register", body, **{"Idempotency-Key": name})
    assert answer.status_code == 201
    assert await town.rows("SELECT count(*) FROM idempotency_keys WHERE key = :key", key=name) == [(0,)]


async def test_a_key_that_cannot_be_one_is_refused(ada: Person) -> None:
    for key in ("", " ", "x" * 129, "a b", "é".encode()):
        answer = await ada.http.post(
            f"{API}/connectors",
            json=BODY,
            headers=[
                (b"authorization", f"Bearer {ada.token}".encode()),
                (b"idempotency-key", key if isinstance(key, bytes) else key.encode()),
            ],
        )
        assert answer.status_code == 422, key


async def test_housekeeping_removes_what_has_expired_and_nothing_else(town: Town, ada: Person) -> None:
    await ada.post("/connectors", BODY, **{"Idempotency-Key": "kept"})
    async with town.app.state.engine.begin() as connection:
        await connection.execute(
            insert(RefreshToken).values(
                user_id=ada.id, family_id=uuid4(), token_hash=uuid4().hex, expires_at=datetime.now(UTC)
            )
        )
    await remove_expired_rows(town.app.state.engine)
    assert await town.rows("SELECT count(*) FROM refresh_tokens WHERE user_id = :id", id=ada.id) == [(0,)]
    assert await town.rows("SELECT count(*) FROM idempotency_keys WHERE user_id = :id", id=ada.id) == [(1,)]
