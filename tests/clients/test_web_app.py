"""The web app builds, and people get along with it in a browser."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from asgi_lifespan import LifespanManager

from neighborconnect.settings import Settings
from tests.transactional_api.local_server import serving
from tools import build_web
from transactional_api.app import create_app

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "browser"
PASSWORD = "a long pass phrase"
MINUTES = 5
# The package unpacks the libraries of the browser, which a bare machine lacks, only if this is set.
BROWSER_ENVIRONMENT = {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x"}


@dataclass(frozen=True)
class Browser:
    """A running browser, and the folder of the scripts that drive it."""

    folder: Path
    endpoint: str

    async def journey(self, name: str, url: str, **given: Any) -> Any:
        """Return what a journey saw; it must leave no error in the console of the browser."""
        process = await asyncio.create_subprocess_exec(
            str(build_web.NODE / "bin" / "node"),
            "journey.mjs",
            name,
            self.endpoint,
            url,
            json.dumps(given),
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(), MINUTES * 60)
        assert process.returncode == 0, errors.decode()[-3_000:]
        answer = json.loads(output)
        assert answer["complaints"] == []
        return answer["seen"]


@pytest.fixture(scope="module")
async def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a copy of the app, laid out as in the repository, and return its root."""
    root = tmp_path_factory.mktemp("web")
    ignored = shutil.ignore_patterns(*build_web.GENERATED, "*.tgz")
    await asyncio.to_thread(shutil.copytree, ROOT / "clients", root / "clients", ignore=ignored)
    (root / "transactional_api").mkdir()
    shutil.copy(ROOT / "transactional_api" / "openapi.json", root / "transactional_api")
    assert not build_web.is_current(root)
    await asyncio.to_thread(build_web.build, root)
    return root


@pytest.fixture(scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """One browser for all journeys, from npm."""
    folder = tmp_path_factory.mktemp("browser")
    shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    await asyncio.to_thread(build_web.run, str(build_web.NPM), "install", *build_web.QUIET, folder=folder)
    process = await asyncio.create_subprocess_exec(
        str(build_web.NODE / "bin" / "node"),
        "serve.mjs",
        cwd=folder,
        env=os.environ | BROWSER_ENVIRONMENT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    endpoint = (await asyncio.wait_for(process.stdout.readline(), MINUTES * 60)).decode().strip()
    yield Browser(folder, endpoint)
    process.stdin.close()
    await process.wait()


@pytest.fixture
async def app_url(settings: Settings, built: Path) -> AsyncIterator[str]:
    """Where an API serves the built app."""
    own = settings.model_copy(update={"web_app_folder": built / "clients" / "web" / "dist"})
    async with LifespanManager(create_app(own)) as running, serving(running.app) as url:
        yield url


async def register(http: httpx.AsyncClient, name: str) -> tuple[str, dict[str, str]]:
    """Register a neighbor, and return the email address with the headers of a session."""
    username = f"web-{name}-{uuid4().hex[:8]}"
    email = f"{username}@example.org"
    body = {
        "email": email,
        "password": PASSWORD,
        "username": username,
        "first_name": name.title(),
        "last_name": "Okafor",
        "interests": ["gardening"],
    }
    answer = await http.post("/users/register", json=body)
    return email, {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}


@pytest.fixture
async def reader(app_url: str) -> dict[str, str]:
    """A neighbor who joined a group in which another one posted; the id of one post is ``post``."""
    async with httpx.AsyncClient(base_url=f"{app_url}/api/v1", timeout=30) as http:
        email, ada = await register(http, "ada")
        _, ben = await register(http, "ben")
        about = {"name": f"Gardeners {uuid4().hex[:6]}", "category": "gardening"}
        group = (await http.post("/connectors", json=about, headers=ben)).raise_for_status().json()["id"]
        (await http.post(f"/connectors/{group}/join", headers=ada)).raise_for_status()
        posts = []
        for content in ("Seedlings to give away", "Who lends a ladder?", "Compost is ready"):
            body = {"connector_id": group, "content": content}
            posts.append((await http.post("/posts", json=body, headers=ben)).raise_for_status().json()["id"])
        other = (await http.post("/connectors", json=about | {"name": "Cyclists"}, headers=ben)).json()["id"]
        begin = (datetime.now(UTC) + timedelta(days=3)).isoformat()
        event = await http.post(
            "/events", json={"connector_id": group, "title": "Swap of seeds", "start_date": begin}, headers=ben
        )
        offer = {"connector_id": group, "title": "Ladder", "category": "garden", "price": "12.50", "currency": "USD"}
        item = await http.post("/marketplace/items", json=offer, headers=ben)
    return {
        "email": email,
        "password": PASSWORD,
        "post": posts[1],
        "group": group,
        "other": other,
        "event": event.raise_for_status().json()["id"],
        "item": item.raise_for_status().json()["id"],
    }


async def test_types_of_the_app_hold_and_the_build_is_current(built: Path) -> None:
    await asyncio.to_thread(build_web.check, built)
    assert build_web.is_current(built)
    (built / "clients" / "web" / "src" / "main.tsx").touch()
    assert not build_web.is_current(built)


async def test_a_neighbor_likes_asks_why_and_comments(browser: Browser, app_url: str, reader: dict[str, str]) -> None:
    seen = await browser.journey("like_and_why", app_url, **reader)
    assert seen["likes"] == "1"
    assert seen["comment"] == "A comment from the app"
    assert any(seen["reason"] in share for share in seen["shares"])


async def test_a_hidden_post_is_gone_unless_undone(browser: Browser, app_url: str, reader: dict[str, str]) -> None:
    seen = await browser.journey("hide_and_undo", app_url, **reader)
    assert seen["isGone"]
    assert seen["after"] > 0


async def test_tabs_share_a_session_that_scripts_cannot_read(
    browser: Browser, app_url: str, reader: dict[str, str]
) -> None:
    assert await browser.journey("two_tabs", app_url, **reader) == {"cookie": "", "stored": 0}


async def test_sign_in_and_like_by_keyboard_alone(browser: Browser, app_url: str, reader: dict[str, str]) -> None:
    seen = await browser.journey("keyboard", app_url, **reader)
    assert "password" in seen["refusal"].lower()
    assert seen["entry"].startswith("More like this")


async def test_a_neighbor_joins_answers_and_buys(browser: Browser, app_url: str, reader: dict[str, str]) -> None:
    seen = await browser.journey("join_answer_and_buy", app_url, **reader)
    assert seen == {"post": "Hello from the app", "bought": "Ladder"}


async def test_pages_have_no_serious_accessibility_fault(
    browser: Browser, app_url: str, reader: dict[str, str]
) -> None:
    ids = (f"/posts/{reader['post']}", f"/connectors/{reader['group']}", f"/market/{reader['item']}")
    paths = ["/", "/tune", "/events", "/chat", "/you", *ids]
    seen = await browser.journey("accessibility", app_url, **reader, paths=paths)
    assert len(seen) == 1 + 2 * len(paths)
    assert {page: faults for page, faults in seen.items() if faults} == {}
