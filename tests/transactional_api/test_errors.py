"""Bad input is answered with a problem, never with a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from asgi_lifespan import LifespanManager
from starlette.responses import StreamingResponse

from neighborconnect.settings import Settings
from tests.transactional_api.local_server import serving
from tests.transactional_api.people import API, Person, Town
from transactional_api.app import create_app
from transactional_api.core.http.middleware import LIMITS


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(body)
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["X-Request-Id"]
    return body


async def test_an_invalid_body_names_its_fields(town: Town) -> None:
    problem = problem_of(await town.nobody.post("/users/register", {"email": "x", "surname": "y"}))
    assert (problem["status"], problem["code"]) == (422, "invalid_request")
    assert {"body.email", "body.surname", "body.password"} <= {error["field"] for error in problem["errors"]}


async def test_a_refused_password_is_not_told_back(town: Town) -> None:
    answer = await town.nobody.post("/users/register", {"password": "tiny-pass"})
    assert answer.status_code == 422
    assert "tiny-pass" not in answer.text


@pytest.mark.parametrize(
    "name",
    ["a\x00b", "a\x07b", "a\nb", "\u200e" * 201, "", "   ", "x" * 201, 7, None, ["x"], {"x": 1}],
    ids=repr,
)
async def test_a_name_that_cannot_be_one_is_refused(ada: Person, name: Any) -> None:
    problem = problem_of(await ada.post("/connectors", {"name": name, "category": "x"}))
    assert [error["field"] for error in problem["errors"]] == ["body.name"]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name": "\\ud800", "category": "x"}',
        b'{"\\ud800": 1}',
        b'{"name": "\xff\xfe", "category": "x"}',
        b"\x00",
        b"",
        b"null",
        b"[1]",
        b"{",
        b'{"name": NaN, "category": Infinity}',
        b'{"name": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"name": ' + b"9" * 10_000 + b"}",
        b'{"name": "x", "name": "y", "category": 1e400}',
    ],
    ids=lambda raw: repr(raw[:24]),
)
async def test_a_body_that_cannot_be_read_is_refused(ada: Person, raw: bytes) -> None:
    answer = await ada.request("POST", "/connectors", content=raw, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    problem_of(answer)


async def test_text_is_trimmed_and_composed(ada: Person) -> None:
    made = await ada.make_connector(name="  Cafe\u0301 \t", description="one\r\ntwo\n")
    assert (made["name"], made["description"]) == ("Café", "one\ntwo")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "/image.jpg", "ftp://example.org/x", "http://", "x" * 501])
async def test_a_link_is_http_and_absolute(ada: Person, url: str) -> None:
    body = {"name": "x", "category": "x", "image_url": url}
    assert (await ada.post("/connectors", body)).status_code == 422


async def test_a_body_that_says_it_is_too_large_is_refused(ada: Person) -> None:
    answer = await ada.post("/connectors", {"name": "x" * 10 * LIMITS.body_bytes, "category": "x"})
    assert (answer.status_code, problem_of(answer)["code"]) == (413, "body_too_large")


async def test_a_body_that_grows_too_large_is_refused(ada: Person) -> None:
    async def endless() -> Any:
        for _ in range(12):
            yield b" " * 100_000

    answer = await ada.request("POST", "/connectors", content=endless(), headers={"content-type": "application/json"})
    assert (answer.status_code, problem_of(answer)["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("path", ["/connectors/{}", "/posts/{}", "/users/{}", "/posts/connector/{}"])
async def test_an_unknown_id_is_not_found_and_a_broken_one_is_invalid(ada: Person, path: str) -> None:
    assert problem_of(await ada.get(path.format(uuid4())))["status"] == 404
    for broken in ("x", "%00", "1" * 5_000, "%ff"):
        assert problem_of(await ada.get(path.format(broken)))["status"] in {404, 422}


@pytest.mark.parametrize("q", ["\x00", "a\nb", "x" * 101, ""])
async def test_search_words_that_cannot_be_are_refused(ada: Person, q: str) -> None:
    assert problem_of(await ada.get("/connectors/search", q=q))["status"] == 422


async def test_another_method_is_refused(town: Town) -> None:
    problem = problem_of(await town.http.patch(f"{API}/connectors"))
    assert (problem["status"], problem["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/connectors", "GET, POST"),
        ("POST", f"/connectors/{UUID(int=1)}", "DELETE, GET, PATCH, PUT"),
        ("GET", "/media/uploads", "POST"),
        ("DELETE", "/connectors/categories", "GET"),
        ("PUT", "/privacy/consents/history", "GET"),
    ],
)
async def test_who_asks_wrongly_is_told_every_method_of_the_path(
    ada: Person, method: str, path: str, allowed: str
) -> None:
    answer = await ada.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert problem_of(answer)["code"] == "method_not_allowed"


@pytest.mark.parametrize("at", ["0", "0.5", "-1", "1767225600", "1767225600000", "noon", "2026-01-01T00:00:00"])
async def test_a_time_without_its_date_or_zone_is_refused(ada: Person, at: str) -> None:
    assert problem_of(await ada.get("/events", until=at))["errors"][0]["field"] == "query.until"


@pytest.mark.parametrize("granted", [0, 1, "yes", "true", None])
async def test_only_true_and_false_are_an_agreement(ada: Person, granted: object) -> None:
    answer = await ada.put("/privacy/consents/analytics", {"granted": granted})
    assert problem_of(answer)["errors"][0]["field"] == "body.granted"


async def test_what_nobody_foresaw_is_a_problem_without_a_trace(settings: Settings) -> None:
    app = create_app(settings)

    async def fail() -> None:
        raise RuntimeError("the reason, with a password")

    app.add_api_route("/fail", fail)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as http:
        problem = problem_of(await http.get("/fail"))
    assert (problem["status"], problem["code"]) == (500, "internal_error")
    assert "password" not in str(problem)


@pytest.fixture
async def hurried(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The URL of an API that waits for a blink, with a route that takes longer and one that streams for longer."""
    monkeypatch.setattr("transactional_api.core.http.middleware.LIMITS", LIMITS._replace(seconds=0.3))
    app = create_app(settings)

    async def dally() -> None:
        await asyncio.sleep(30)

    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            await asyncio.sleep(0.6)
            yield b"b"

        return StreamingResponse(parts())

    app.add_api_route("/dally", dally)
    app.add_api_route("/stream", stream)
    async with LifespanManager(app), serving(app) as url:
        yield url


async def test_what_takes_too_long_is_given_up_and_what_streams_is_not(hurried: str) -> None:
    async with httpx.AsyncClient(base_url=hurried, trust_env=False, timeout=60) as http:
        late = await http.get("/dally")
        assert (late.status_code, problem_of(late)["code"]) == (503, "took_too_long")
        assert late.headers["Retry-After"] == "5"
        assert (await http.get("/stream")).text == "ab"


@asynccontextmanager
async def begun(url: str, *, path: str, kind: str, start: str) -> AsyncIterator[asyncio.StreamReader]:
    """Return the answer to a request whose body stops after its start."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 100\r\n\r\n"
    writer.write((head + start).encode())
    try:
        yield reader
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_body_that_does_not_come_is_not_waited_for(hurried: str) -> None:
    async with begun(hurried, path=f"{API}/users/login", kind="application/json", start="{") as reader:
        answer = (await asyncio.wait_for(reader.read(), 10)).decode()
    assert answer.startswith("HTTP/1.1 408")
    assert '"code":"body_too_slow"' in answer
    assert "connection: close" in answer.lower()


async def test_an_upload_may_take_longer(hurried: str) -> None:
    form = "multipart/form-data; boundary=x"
    async with begun(hurried, path=f"{API}/media/upload", kind=form, start="--x\r\n") as reader:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.9)


async def test_a_caller_does_not_choose_the_request_id(town: Town, ada: Person) -> None:
    first, second = [
        await ada.post("/connectors", {"name": "Gardeners", "category": "gardening"}, **{"X-Request-Id": "abc-1"})
        for _ in range(2)
    ]
    ids = [answer.headers["X-Request-Id"] for answer in (first, second)]
    assert len({*ids, "abc-1"}) == 3
    entered = await town.rows("SELECT request_id FROM audit_log WHERE actor_id = :id ORDER BY id", id=ada.id)
    assert [row.request_id for row in entered] == ids


async def test_every_answer_carries_the_security_headers(town: Town, ada: Person) -> None:
    for answer in (await town.http.get("/healthz"), await ada.get("/nothing"), await town.nobody.get("/connectors")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
