"""Services of the platform refuse requests without credentials and from pages of other origins."""

from __future__ import annotations

import base64

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from neighborconnect.service_auth import RefuseCrossSiteRequests, RequireCredentials, hosts_of

TOKEN, READER, PASSWORD = (SecretStr(letter * 48) for letter in "abc")
HOST = "127.0.0.1:3000"


async def _respond(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("done")


async def _talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("done")
    await socket.close()


def guarded() -> ASGIApp:
    paths = [Route(path, _respond, methods=["GET", "POST"]) for path in ("/", "/readyz", "/rank")]
    service = Starlette(routes=[*paths, WebSocketRoute("/graphql", _talk)])
    credentials = RequireCredentials(
        service, tokens=[TOKEN], read_tokens=[READER], password=PASSWORD, open_paths=("/readyz",)
    )
    return RefuseCrossSiteRequests(credentials, hosts=hosts_of("http://dagster:3000", more=["ops.example.org"]))


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(guarded()), base_url=f"http://{HOST}")


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


OPERATOR = basic("operator", "c" * 48)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer " + "x" * 48,
        "Bearer " + "a" * 47,
        "Bearer é",
        "Basic " + "a" * 48,
        "Basic é",
        basic("operator", "x"),
        basic("root", "c" * 48),
        basic("operator", "a" * 48),
        "Bearer " + "c" * 48,
    ],
)
async def test_wrong_credentials_are_refused_with_a_problem(method: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization.encode()}
    async with client() as http:
        response = await http.request(method, "/rank", headers=headers)  # type: ignore[arg-type]
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"].startswith("Basic ")
    assert response.json()["status"] == 401


@pytest.mark.parametrize("authorization", ["Bearer " + "a" * 48, "bearer " + "a" * 48, OPERATOR])
async def test_right_credentials_pass(authorization: str) -> None:
    async with client() as http:
        assert (await http.post("/rank", headers={"authorization": authorization})).text == "done"


async def test_read_token_cannot_write() -> None:
    reader = {"authorization": "Bearer " + "b" * 48}
    async with client() as http:
        assert (await http.get("/rank", headers=reader)).status_code == 200
        assert (await http.post("/rank", headers=reader)).status_code == 401


async def test_only_reads_of_the_exact_probe_path_are_open() -> None:
    async with client() as http:
        assert (await http.get("/readyz")).status_code == 200
        assert (await http.post("/readyz")).status_code == 401
        assert (await http.get("/readyz/")).status_code == 401
        assert (await http.get("/x/../rank")).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "", "[::1"])
async def test_unknown_hosts_are_refused(host: str) -> None:
    async with client() as http:
        response = await http.get("/", headers={"authorization": OPERATOR, "host": host})
    assert response.status_code == 403


@pytest.mark.parametrize("host", [HOST, "localhost:3000", "[::1]:3000", "dagster:3000", "ops.example.org", "LOCALHOST"])
async def test_known_hosts_are_accepted(host: str) -> None:
    async with client() as http:
        response = await http.post("/", headers={"authorization": OPERATOR, "host": host, "origin": f"https://{host}"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_other_origins_are_refused_despite_the_password(headers: dict[str, str], method: str) -> None:
    async with client() as http:
        response = await http.request(method, "/", headers={"authorization": OPERATOR, **headers})
    assert response.status_code == 403


async def test_foreign_links_open_pages_but_send_no_forms() -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    async with client() as http:
        assert (await http.get("/", headers={"authorization": OPERATOR, **link})).status_code == 200
        assert (await http.post("/", headers={"authorization": OPERATOR, **link})).status_code == 403


def test_web_sockets_need_credentials_and_the_same_origin() -> None:
    browser = TestClient(guarded(), base_url=f"http://{HOST}")
    for headers in ({}, {"authorization": OPERATOR, "origin": "https://evil.example"}):
        with pytest.raises(WebSocketDisconnect), browser.websocket_connect(f"ws://{HOST}/graphql", headers=headers):
            pass
    headers = {"authorization": OPERATOR, "origin": f"http://{HOST}"}
    with browser.websocket_connect(f"ws://{HOST}/graphql", headers=headers) as socket:
        assert socket.receive_text() == "done"
