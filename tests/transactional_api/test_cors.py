"""Web pages of named origins may call the API; on a laptop those of this machine, elsewhere none by default."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from asgi_lifespan import LifespanManager
from pydantic import TypeAdapter, ValidationError

from local_stack.stack import Stack
from neighborconnect.settings import Origin, Settings
from tests.transactional_api.local_server import serving
from tests.transactional_api.people import API, Person
from transactional_api.app import create_app
from transactional_api.core.http.cors import REQUEST_HEADERS

APP = "https://app.example.org"


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API that listens, with the settings of an embedded stack and one origin more."""
    origins = [*settings.cors_allow_origins, APP]
    app = create_app(settings.model_copy(update={"cors_allow_origins": origins}))
    async with (
        LifespanManager(app) as running,
        serving(running.app) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        yield client


def preflight(origin: str, *, method: str = "PUT") -> dict[str, str]:
    wanted = ", ".join(sorted(name.lower() for name in REQUEST_HEADERS))
    return {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": wanted}


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (APP, True),
        ("http://localhost", True),
        ("http://localhost:3000", True),
        ("http://localhost:5173", True),
        ("http://127.0.0.1:8081", True),
        ("https://localhost:3000", False),
        ("http://localhost.evil.example", False),
        ("http://localhost:3000.evil.example", False),
        ("http://evil.example/?http://localhost:3000", False),
        ("https://app.example.org.evil.example", False),
        ("https://appxexample.org", False),
        ("https://evil.example", False),
        ("null", False),
    ],
)
async def test_a_preflight_and_the_request_after_it(api: httpx.AsyncClient, origin: str, allowed: bool) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        asked = await api.options(f"{API}/users/profile", headers=preflight(origin, method=method))
        assert (asked.status_code == 200) == allowed, asked.text
        assert asked.headers.get("access-control-allow-origin") == (origin if allowed else None)
    answer = await api.get(f"{API}/users/profile", headers={"Origin": origin})
    assert answer.status_code == 401
    assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)


async def test_scripts_read_the_headers_that_they_need(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{API}/users/profile", headers={"Origin": APP})
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    needed = {"ETag", "Retry-After", "X-Request-Id", "Location", "Link", "RateLimit-Limit", "RateLimit-Remaining"}
    assert needed | {"RateLimit-Reset", "Idempotent-Replayed", "Content-Disposition"} <= exposed
    assert answer.headers["access-control-allow-credentials"] == "true"
    foreign = await api.get(f"{API}/users/profile", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers
    assert "Origin" in answer.headers["vary"]


async def test_a_conditional_read_keeps_the_headers_of_its_origin(api: httpx.AsyncClient, ada: Person) -> None:
    headers = {"Origin": APP, "Authorization": f"Bearer {ada.token}", "If-None-Match": "*"}
    answer = await api.get(f"{API}/users/profile", headers=headers)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (304, APP)


async def test_no_origin_is_allowed_unless_named(settings: Settings) -> None:
    assert Settings.model_fields["cors_allow_origins"].default == []
    app = create_app(settings.model_copy(update={"cors_allow_origins": []}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as http:
        for origin in (APP, "http://localhost:3000"):
            asked = await http.options(f"{API}/connectors", headers=preflight(origin))
            assert "access-control-allow-origin" not in asked.headers


def test_the_embedded_stack_allows_localhost_and_more_by_shell(servers: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert servers.settings["CORS_ALLOW_ORIGINS"] == '["http://localhost:*", "http://127.0.0.1:*"]'
    monkeypatch.setenv("CORS_ALLOW_ORIGINS", "[]")
    assert servers.settings["CORS_ALLOW_ORIGINS"] == "[]"


@pytest.mark.parametrize(
    "origin", ["https://app.example.org", "http://localhost:*", "http://[::1]:3000", "HTTPS://A.org"]
)
def test_origins_that_can_be_named(origin: str) -> None:
    assert TypeAdapter(Origin).validate_python(origin) == origin.lower()


@pytest.mark.parametrize(
    "origin",
    ["*", "app.example.org", "https://app.example.org/", "https://a.org/x", "https://u@a.org", "ftp://a.org", ""],
)
def test_origins_that_no_browser_sends_are_refused(origin: str) -> None:
    with pytest.raises(ValidationError, match="origin"):
        TypeAdapter(Origin).validate_python(origin)
