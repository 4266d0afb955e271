"""Every list operation of the OpenAPI document runs as many statements for one item as for five."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.transactional_api.media.files import video
from tests.transactional_api.people import API, Person, Town, feed_id
from transactional_api.openapi import PATH

DOCUMENT = json.loads(Path(PATH).read_text(encoding="utf-8"))
ITEMS = 5


def is_page(operation: dict[str, Any]) -> bool:
    """Return whether the 200 response of an operation is a page of items."""
    content = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    properties: dict[str, Any] = DOCUMENT["components"]["schemas"].get(name, {}).get("properties", {})
    return properties.keys() >= {"items", "next_cursor"}


LISTS = {
    methods["get"]["operationId"]: path.removeprefix(API)
    for path, methods in DOCUMENT["paths"].items()
    if "get" in methods and is_page(methods["get"])
}
WITHOUT_LIMIT = {"listPinnedPosts"}


@dataclass(frozen=True, slots=True)
class World:
    """A viewer, and the values of path and query parameters under which each list has at least ``ITEMS`` items."""

    viewer: Person
    path: dict[str, str]
    queries: dict[str, dict[str, Any]]


async def created(request: Any) -> Any:
    """Return the body of a successful response."""
    response: httpx.Response = await request
    assert response.is_success, f"{response.request.method} {response.request.url}: {response.text}"
    return response.json() if response.content else None


@pytest.fixture(scope="module")
async def world(town: Town) -> World:
    """Rows of the viewer for every list operation."""
    mark = f"list{uuid4().hex[:12]}"
    viewer = await town.create_user(first_name=mark, role="admin", neighborhood=mark, city=mark)
    others = [await town.create_user(first_name=mark) for _ in range(ITEMS)]
    connector = await viewer.make_connector(name=mark, category=mark)
    connector_id = connector["id"]
    for other in others:
        await town.add_member(other, connector)
    await fill_relationships(town, viewer, others)
    await fill_connectors(town, viewer, others, connector, mark)
    # Its likes are in no feed of other tests.
    private = await viewer.make_connector(name=mark, category=mark, is_public=False)
    for other in others:
        await town.add_member(other, private)
    post_id = await fill_posts(viewer, others, connector, private, mark)
    event_id = await fill_events(viewer, others, connector_id)
    await fill_marketplace(viewer, others, connector_id)
    for other in others:
        await created(other.post("/reviews", {"connector_id": connector_id, "title": "T", "content": "C", "rating": 4}))
    conversation_id = await fill_chat(viewer, others)
    await fill_stories(town, viewer, connector_id)
    await fill_moderation(town, viewer, others, connector)
    await fill_account(town, viewer)
    app_id, webhook_id = await fill_webhooks(town, viewer)
    await town.run_jobs()
    return World(
        viewer,
        {
            "user_id": str(viewer.id),
            "connector_id": connector_id,
            "post_id": post_id,
            "event_id": event_id,
            "conversation_id": conversation_id,
            "app_id": app_id,
            "webhook_id": webhook_id,
            "kind": "connectors",
            "tag": mark,
        },
        {
            "searchUsers": {"q": mark},
            "searchConnectors": {"q": mark},
            "listConnectors": {"category": mark},
            "discoverConnectors": {"ignore_interests": "true"},
            "search": {"q": mark},
            "searchMessages": {"q": "hello"},
            "findItems": {"connector_id": connector_id},
            "listOwnEvents": {"part": "hosting"},
            "listUsers": {"ids": [str(other.id) for other in others]},
        },
    )


async def fill_relationships(town: Town, viewer: Person, others: list[Person]) -> None:
    for other in others:
        await created(viewer.post(f"/users/{other.id}/follow"))
        await created(other.post(f"/users/{viewer.id}/follow"))
        for action in ("block", "mute"):
            await created(viewer.post(f"/users/{(await town.create_user()).id}/{action}"))


async def fill_connectors(
    town: Town, viewer: Person, others: list[Person], connector: dict[str, Any], mark: str
) -> None:
    for other in others:
        foreign = await other.make_connector(name=mark, category=mark)
        await created(other.post(f"/connectors/{foreign['id']}/invitations", {"user_id": str(viewer.id)}))
        await town.ask_to_join(await town.create_user(), connector)
        invited, banned = await town.create_user(), await town.create_user()
        await created(viewer.post(f"/connectors/{connector['id']}/invitations", {"user_id": str(invited.id)}))
        await created(viewer.put(f"/connectors/{connector['id']}/bans/{banned.id}", {"reason": "Spam"}))


async def fill_posts(
    viewer: Person, others: list[Person], connector: dict[str, Any], private: dict[str, Any], mark: str
) -> str:
    for other in others:
        post = await other.make_post(connector, content=f"Ready #{mark}")
        await created(viewer.put(f"/posts/{post['id']}/pin", None))
        await created(other.post(f"/posts/{post['id']}/comments", {"content": "Here"}))
        hide = {
            "kind": "hide",
            "item_kind": "post",
            "item_id": post["id"],
            "request_id": feed_id(viewer),
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        await created(viewer.post("/interactions", {"interactions": [hide]}))
    own = await viewer.make_post(private)
    for other in others:
        liked = await other.make_post(private)
        await created(viewer.post(f"/posts/{liked['id']}/like"))
        await created(viewer.put(f"/posts/{liked['id']}/bookmark", None))
        await created(other.post(f"/posts/{own['id']}/comments", {"content": "Here"}))
        await created(other.post(f"/posts/{own['id']}/like"))
        await created(other.put(f"/posts/{own['id']}/reaction", {"kind": "love"}))
        await created(viewer.put(f"/posts/{own['id']}", {"content": f"Edited by {other.id}"}))
    return str(own["id"])


async def fill_events(viewer: Person, others: list[Person], connector_id: str) -> str:
    event = {
        "connector_id": connector_id,
        "title": "Swap",
        "description": "Seeds",
        "location": "Hall",
        "start_date": (datetime.now(UTC) + timedelta(days=3)).isoformat(),
    }
    events = [await created(viewer.post("/events", event)) for _ in range(ITEMS)]
    for other in others:
        await created(other.post(f"/events/{events[0]['id']}/rsvp", {"status": "attending"}))
    return str(events[0]["id"])


async def fill_marketplace(viewer: Person, others: list[Person], connector_id: str) -> None:
    item = {"connector_id": connector_id, "title": "Rake", "description": "Old", "price": "5.00", "category": "tools"}
    for other in others:
        bought = await created(other.post("/marketplace/items", item))
        await created(viewer.post(f"/marketplace/items/{bought['id']}/buy"))
        sold = await created(viewer.post("/marketplace/items", item))
        purchase = await created(other.post(f"/marketplace/items/{sold['id']}/buy"))
        await created(viewer.post(f"/marketplace/purchases/{purchase['id']}/complete"))
        review = {"rating": 5, "content": "Good"}
        await created(other.post(f"/marketplace/purchases/{purchase['id']}/review", review))
        await created(viewer.post("/marketplace/items", item))


async def fill_chat(viewer: Person, others: list[Person]) -> str:
    conversation = {}
    for other in others:
        body = {"kind": "direct", "user_id": str(other.id)}
        conversation = await created(viewer.post("/chat/conversations", body))
        await created(other.post(f"/chat/conversations/{conversation['id']}/messages", {"content": "Hello"}))
    for _ in range(ITEMS):
        await created(viewer.post(f"/chat/conversations/{conversation['id']}/messages", {"content": "Hello"}))
    return str(conversation["id"])


async def fill_stories(town: Town, viewer: Person, connector_id: str) -> None:
    for _ in range(ITEMS):
        upload = await town.keep_upload(viewer, video(pictures=2))
        body = {"connector_id": connector_id, "media_id": upload["id"], "title": "Tomatoes"}
        await created(viewer.post("/stories", body))
        await created(viewer.post("/reels", body))


async def fill_moderation(town: Town, viewer: Person, others: list[Person], connector: dict[str, Any]) -> None:
    for other in others:
        post = await other.make_post(connector)
        report = {"subject_kind": "post", "subject_id": post["id"], "reason": "spam"}
        await created(viewer.post("/moderation/reports", report))
        for owner in (viewer, other):
            await town.write(
                "WITH decided AS (INSERT INTO moderation_cases (subject_kind, subject_id, owner_id, content_snapshot, "
                "state) VALUES ('post', gen_random_uuid(), :owner, '', 'decided') RETURNING id), "
                "decision AS (INSERT INTO moderation_decisions (case_id, outcome, rule, took_effect) "
                "SELECT id, 'hide', 'Rule', true FROM decided RETURNING id) "
                "INSERT INTO moderation_appeals (decision_id, appellant_id, statement) SELECT id, :owner, 'No' "
                "FROM decision",
                owner=owner.id,
            )


async def fill_account(town: Town, viewer: Person) -> None:
    for number in range(ITEMS):
        await created(viewer.put("/privacy/consents/marketing", {"granted": number % 2 == 0}))
        await created(
            viewer.post("/oauth/apps", {"name": f"App {uuid4().hex}", "redirect_uris": ["https://app.example/back"]})
        )
        variants = [{"name": name, "weight": 50} for name in ("control", "larger")]
        await created(viewer.post(f"/experiments/list-{uuid4().hex}", {"variants": variants}))
        announcement = {"title": f"News {number}", "user_ids": [str(viewer.id)]}
        await created(viewer.post("/notifications/send", announcement))
        for statement in (
            "INSERT INTO user_sessions (user_id, expires_at) VALUES (:id, now() + interval '1 day')",
            "INSERT INTO reputation_changes (user_id, reputation, parts) VALUES (:id, 1, '{}')",
            "INSERT INTO data_exports (user_id, expires_at) VALUES (:id, now() + interval '1 day')",
        ):
            await town.write(statement, id=viewer.id)


async def fill_webhooks(town: Town, viewer: Person) -> tuple[str, str]:
    app = await created(viewer.post("/oauth/apps", {"name": "Hooks", "redirect_uris": ["https://app.example/back"]}))
    body = {"url": "http://127.0.0.1:9/", "event_types": ["post.created"], "enabled": False}
    for _ in range(ITEMS):
        webhook = await created(viewer.post(f"/oauth/apps/{app['id']}/webhooks", body))
        await town.write(
            "INSERT INTO webhook_deliveries (endpoint_id, event, subject_id, occurred_at) "
            "SELECT id, 'post.created', id, now() FROM webhook_endpoints, generate_series(1, :items) WHERE id = :id",
            items=ITEMS,
            id=webhook["id"],
        )
    return app["id"], webhook["id"]


class TestListOperations:
    @pytest.mark.parametrize("operation_id", sorted(LISTS.keys() - WITHOUT_LIMIT))
    async def test_statement_count_is_constant(self, world: World, statements: Any, operation_id: str) -> None:
        path = re.sub(r"{(\w+)}", lambda name: world.path[name[1]], LISTS[operation_id])
        query = world.queries.get(operation_id, {})

        async def measure(limit: int) -> tuple[int, list[str]]:
            with statements() as sent:
                page = await created(world.viewer.get(path, **query, limit=limit))
            return len(page["items"]), list(sent)

        await measure(ITEMS)  # Fills the caches.
        (one, few), (many, more) = await measure(1), await measure(ITEMS)
        assert (one, many) == (1, ITEMS)
        assert len(few) > 0
        assert len(more) == len(few), "\n---\n".join(more)

    async def test_statement_count_of_pinned_posts_is_constant(self, world: World, statements: Any) -> None:
        path = f"/posts/connector/{world.path['connector_id']}/pinned"

        async def measure() -> tuple[list[Any], int]:
            with statements() as sent:
                page = await created(world.viewer.get(path))
            return page["items"], len(sent)

        await measure()
        many, more = await measure()
        for post in many[1:]:
            await created(world.viewer.delete(f"/posts/{post['id']}/pin"))
        one, few = await measure()
        assert (len(one), len(many)) == (1, ITEMS)
        assert more == few > 0
