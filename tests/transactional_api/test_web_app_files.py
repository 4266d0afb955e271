"""The API serves the files of the web app, its pages, and the logins of the sample community."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from neighborconnect.settings import Settings
from transactional_api.app import create_app
from transactional_api.identity.users.tokens import Purpose, link
from transactional_api.web_app import EMAIL_LINKS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A build of the app in a few bytes."""
    build = tmp_path / "dist"
    (build / "assets").mkdir(parents=True)
    (build / "index.html").write_text("<title>The app</title>")
    (build / "icon.svg").write_text("<svg/>")
    (build / "assets" / "index-abc.js").write_text("export {}")
    (tmp_path / "secret.txt").write_text("secret")
    return build


@pytest.fixture
async def http(settings: Settings, folder: Path, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    own = settings.model_copy(update={"web_app_folder": folder, "neighborconnect_home": tmp_path})
    transport = httpx.ASGITransport(create_app(own))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.mark.parametrize("path", ["/app/", "/app/posts/0b6b5c1e-0000-4000-8000-000000000000", "/app/index.html"])
async def test_pages_of_the_app_are_its_index_under_a_strict_policy(
    http: httpx.AsyncClient, settings: Settings, path: str
) -> None:
    page = await http.get(path)
    assert (page.status_code, page.text) == (200, "<title>The app</title>")
    assert page.headers["cache-control"] == "no-cache"
    policy = page.headers["content-security-policy"]
    begin = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"
    assert policy.startswith(f"{begin} {settings.s3_endpoint_url};")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    fresh = await http.get(path, headers={"If-None-Match": page.headers["etag"]})
    assert fresh.status_code == 304


async def test_hashed_assets_are_immutable_and_other_files_are_not(http: httpx.AsyncClient) -> None:
    script, icon = await http.get("/app/assets/index-abc.js"), await http.get("/app/icon.svg")
    assert re.match("(text|application)/javascript", script.headers["content-type"])
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert icon.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/app/assets/index-old.js", "/app/old.png", "/app/%2e%2e/secret.txt", "/app/..%2fsecret.txt"]
)
async def test_missing_files_and_files_outside_are_not_found(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace("secret.txt", "")


async def test_the_root_redirects_and_writes_are_refused(http: httpx.AsyncClient) -> None:
    assert (await http.get("/app")).headers["location"].endswith("/app/")
    assert (await http.post("/app/")).status_code == 405


@pytest.mark.parametrize("path", EMAIL_LINKS)
async def test_links_of_emails_lead_to_pages_of_the_app(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path, params={"token": "a b&c"})
    assert (answer.status_code, answer.headers["location"]) == (307, f"/app{path}?token=a+b%26c")
    assert (await http.get(f"/app{path}")).text == "<title>The app</title>"


def test_every_link_of_an_email_has_a_page(settings: Settings) -> None:
    own = settings.model_copy(update={"public_url": "https://town.example"})
    links = {link(own, purpose=purpose, token="t") for purpose in Purpose}
    assert links == {f"https://town.example{path}?token=t" for path in EMAIL_LINKS}


async def test_a_page_states_that_the_app_is_not_built(http: httpx.AsyncClient, folder: Path) -> None:
    (folder / "index.html").unlink()
    page = await http.get("/app/")
    assert page.status_code == 404
    assert "make web" in page.text


async def test_demo_logins_exist_only_where_the_stack_wrote_them(http: httpx.AsyncClient, tmp_path: Path) -> None:
    assert (await http.get("/app/demo-logins.json")).json() == {"logins": []}
    logins = {"logins": [{"name": "Ada", "email": "ada@town.example"}]}
    (tmp_path / "demo-logins.json").write_text(json.dumps(logins))
    answer = await http.get("/app/demo-logins.json")
    assert answer.json() == logins
    assert answer.headers["cache-control"] == "no-store"
