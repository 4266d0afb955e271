"""The web app builds, and people get along with it in a browser."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from asgi_lifespan import LifespanManager
from PIL import Image, ImageDraw

from local_stack.stack import Stack
from neighborconnect.settings import Settings
from tests.clients.conftest import running_jobs
from tests.transactional_api.local_server import serving
from tools import build_web
from transactional_api.app import create_app
from transactional_api.core.mailer import folder as mail_folder

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "browser"
PASSWORD = "a long pass phrase"
MINUTES = 5
# Journeys write pictures of the documentation to this folder, if it is set.
PICTURES = {"PICTURES": str(Path(os.environ["PICTURES"]).resolve())} if "PICTURES" in os.environ else {}
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
            env=os.environ | PICTURES,
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


@pytest.fixture(scope="module")
async def app_url(servers: Stack, settings: Settings, built: Path) -> AsyncIterator[str]:
    """Where an API serves the built app: at the port from which the object store accepts uploads of web pages."""
    url = f"http://127.0.0.1:{servers.ports.api}"
    changes = {
        "web_app_folder": built / "clients" / "web" / "dist",
        "public_url": url,
        # No model analyzes pictures here, so that they are shown at once.
        "media_analysis_hold_minutes": 0,
    }
    own = settings.model_copy(update=changes)
    async with (
        LifespanManager(create_app(own)) as running,
        serving(running.app, port=servers.ports.api),
        running_jobs(own),
    ):
        yield url


@dataclass(frozen=True)
class Neighbor:
    """A registered neighbor, and calls of the API in their name."""

    http: httpx.AsyncClient
    id: str
    email: str

    @property
    def login(self) -> dict[str, str]:
        """Email address and password."""
        return {"email": self.email, "password": PASSWORD}

    async def make(self, path: str, **body: Any) -> str:
        """Create something and return its id."""
        answer = await self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])


@asynccontextmanager
async def neighbors(app_url: str, *names: str) -> AsyncIterator[list[Neighbor]]:
    """Register neighbors."""
    async with AsyncExitStack() as stack:
        people = []
        for name in names:
            base = f"{app_url}/api/v1"
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=30))
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
            session = (await http.post("/users/register", json=body)).raise_for_status().json()
            http.headers["Authorization"] = f"Bearer {session['access_token']}"
            people.append(Neighbor(http, session["user"]["id"], email))
        yield people


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@pytest.fixture
async def reader(app_url: str) -> AsyncIterator[dict[str, Any]]:
    """A neighbor who joined a group in which another one posted; the id of one post is ``post``."""
    async with neighbors(app_url, "ada", "ben") as (ada, ben):
        name = f"Gardeners {uuid4().hex[:6]}"
        group = await ben.make("/connectors", name=name, category="gardening")
        (await ada.http.post(f"/connectors/{group}/join")).raise_for_status()
        contents = ("Seedlings to give away", "Who lends a ladder?", "Compost is ready")
        posts = [await ben.make("/posts", connector_id=group, content=content) for content in contents]
        offer = {"title": "Ladder", "category": "garden", "price": "12.50", "currency": "USD"}
        yield {
            **ada.login,
            "post": posts[1],
            "group": group,
            "other": await ben.make("/connectors", name="Cyclists", category="gardening"),
            "event": await ben.make("/events", connector_id=group, title="Swap of seeds", start_date=in_days(3)),
            "item": await ben.make("/marketplace/items", connector_id=group, **offer),
        }


def draw_tomatoes(path: Path) -> None:
    """Draw a picture that can be recognized in the documentation."""
    image = Image.new("RGB", (320, 240), "#cfe3c8")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 180, 320, 240), fill="#8a6b4a")
    for x, y, radius in ((90, 130, 52), (190, 145, 60), (262, 118, 38)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill="#c8372d")
        draw.ellipse((x - radius // 2, y - radius // 2, x - radius // 6, y - radius // 6), fill="#e88a7d")
        draw.polygon([(x - 18, y - radius + 6), (x, y - radius - 14), (x + 18, y - radius + 6)], fill="#3f7d3a")
    image.save(path)


@pytest.fixture(scope="module")
async def town(app_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Any]]:
    """Three neighbors in a group, with something of each, and a picture file; for journeys that share them."""
    picture = tmp_path_factory.mktemp("pictures") / "tomatoes.png"
    draw_tomatoes(picture)
    async with neighbors(app_url, "ada", "ben", "cleo") as (ada, ben, cleo):
        mark = uuid4().hex[:6]
        group = await ada.make("/connectors", name=f"Allotment {mark}", category="gardening")
        for other in (ben, cleo):
            (await other.http.post(f"/connectors/{group}/join")).raise_for_status()
        offer = {"title": f"Wheelbarrow {mark}", "category": "garden", "price": "20.00", "currency": "USD"}
        yield {
            "ada": {**ada.login, "id": ada.id},
            "ben": {**ben.login, "id": ben.id},
            "cleo": {**cleo.login, "id": cleo.id},
            "mark": mark,
            "group": group,
            "post": await ada.make("/posts", connector_id=group, content=f"The quinces are ripe {mark}"),
            "unwanted": await cleo.make("/posts", connector_id=group, content=f"Buy my watches {mark}"),
            "event": await ben.make("/events", connector_id=group, title=f"Pruning {mark}", start_date=in_days(5)),
            "item": await ada.make("/marketplace/items", connector_id=group, **offer),
            "picture": str(picture),
        }


async def test_types_of_the_app_hold_and_the_build_is_current(built: Path) -> None:
    await asyncio.to_thread(build_web.check, built)
    assert build_web.is_current(built)
    (built / "clients" / "web" / "src" / "main.tsx").touch()
    assert not build_web.is_current(built)


async def test_a_neighbor_likes_asks_why_and_comments(browser: Browser, app_url: str, reader: dict[str, Any]) -> None:
    seen = await browser.journey("like_and_why", app_url, **reader)
    assert seen["likes"] == "1"
    assert seen["comment"] == "A comment from the app"
    assert any(seen["reason"] in share for share in seen["shares"])


async def test_a_hidden_post_is_gone_unless_undone(browser: Browser, app_url: str, reader: dict[str, Any]) -> None:
    seen = await browser.journey("hide_and_undo", app_url, **reader)
    assert seen["isGone"]
    assert seen["after"] > 0


async def test_tabs_share_a_session_that_scripts_cannot_read(
    browser: Browser, app_url: str, reader: dict[str, Any]
) -> None:
    assert await browser.journey("two_tabs", app_url, **reader) == {"cookie": "", "stored": 0}


async def test_sign_in_and_like_by_keyboard_alone(browser: Browser, app_url: str, reader: dict[str, Any]) -> None:
    seen = await browser.journey("keyboard", app_url, **reader)
    assert "password" in seen["refusal"].lower()
    assert seen["entry"].startswith("More like this")


async def test_a_neighbor_joins_answers_and_buys(browser: Browser, app_url: str, reader: dict[str, Any]) -> None:
    seen = await browser.journey("join_answer_and_buy", app_url, **reader)
    assert seen == {"post": "Hello from the app", "bought": "Ladder"}


async def test_pages_have_no_serious_accessibility_fault(
    browser: Browser, app_url: str, reader: dict[str, Any]
) -> None:
    ids = (f"/posts/{reader['post']}", f"/connectors/{reader['group']}", f"/market/{reader['item']}")
    forms = ("/new/post", "/new/event", "/new/offer", "/new/group", "/you/edit")
    paths = [
        "/",
        "/tune",
        "/groups",
        "/events",
        "/chat/new",
        "/you",
        "/you?part=hidden",
        "/you?part=privacy",
        *ids,
        *forms,
    ]
    seen = await browser.journey("accessibility", app_url, **reader, paths=paths)
    assert len(seen) == 1 + 2 * len(paths)
    assert {page: faults for page, faults in seen.items() if faults} == {}


async def test_a_picture_of_a_post_is_seen_by_neighbors(browser: Browser, app_url: str, town: dict[str, Any]) -> None:
    seen = await browser.journey("post_with_picture", app_url, **town)
    assert seen == {"own": 320, "other": 320, "title": "Tomatoes"}


async def test_two_neighbors_chat_live(browser: Browser, app_url: str, town: dict[str, Any]) -> None:
    seen = await browser.journey("chat", app_url, **town)
    assert seen["unread"] == "1 new"
    assert seen["ben"] == ["Is the barrow free?", "Yes, take it"]
    assert seen["edited"] == "Is the wheelbarrow free?"
    assert seen["deleted"] == "Deleted"


async def test_a_blocked_neighbor_is_gone_everywhere(browser: Browser, app_url: str, town: dict[str, Any]) -> None:
    seen = await browser.journey("block", app_url, **town)
    assert seen["before"] == {"group": True, "search": True, "post": True}
    assert seen["blocked"] == {"group": False, "search": False, "post": False}
    assert seen["unblocked"] == seen["before"]
    assert seen["profile"] == "This is not here"


async def test_search_finds_all_kinds(browser: Browser, app_url: str, town: dict[str, Any]) -> None:
    seen = await browser.journey("search", app_url, **town)
    assert set(seen["kinds"]) == {"posts", "connectors", "events", "market"}
    assert seen["offer"].startswith(f"Wheelbarrow {town['mark']}")


async def test_nothing_written_offline_is_lost(browser: Browser, app_url: str, town: dict[str, Any]) -> None:
    seen = await browser.journey("offline", app_url, **town)
    assert seen["banner"].startswith("You are offline")
    assert seen["comments"] == ["Written offline", "A reply"]
    assert seen["draft"] == "Half a thought"


async def test_an_account_is_made_confirmed_and_recovered(browser: Browser, app_url: str, settings: Settings) -> None:
    seen = await browser.journey("account", app_url, mail=str(mail_folder(settings)), password=PASSWORD)
    assert "at least 10 characters" in seen["refusal"]
    assert seen["confirmed"].startswith("Your address is confirmed")
    assert "token" not in seen["address"]


async def test_an_edit_keeps_what_changed_elsewhere(browser: Browser, app_url: str, town: dict[str, Any]) -> None:
    seen = await browser.journey("edit_conflict", app_url, **town)
    assert "Price is now: 18.00" in seen["notice"]
    assert seen["item"] == {
        "title": f"Wheelbarrow {town['mark']}, red",
        "price": "$15",
        "description": "With a new tire",
    }


async def test_a_neighbor_starts_a_group_and_plans_an_event(
    browser: Browser, app_url: str, town: dict[str, Any]
) -> None:
    seen = await browser.journey("group_and_event", app_url, **town)
    assert seen["isPublic"] is False, "a draft keeps a group private"
    assert re.search(r"6:30\sPM", seen["planned"])
    assert "8 places left" in seen["places"]
    assert re.search(r"7:30\sPM", seen["moved"])
    assert seen["canceled"] == "Canceled"
    assert seen["groups"] == ["Bakers"]
