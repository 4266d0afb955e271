"""A feed does not repeat what its viewer did something with, from the next request on, and says so offline as well."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from models.recommendation.masks import mask_users
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.topics import INTERACTIONS_TOPIC
from pipelines.transforms.activity import activity_events
from tests.pipelines.transforms.lake_rows import change, lake_tables
from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town, feed_id
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER
from transactional_api.governance.privacy.retention import purge
from transactional_api.intelligence.recommendations.masking import mask_among

CONTENT, CONNECTORS = "/recommendations/content", "/recommendations/connectors"


def reported(kind: str, item_id: str, *, item_kind: str = "post", **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "item_kind": item_kind,
        "item_id": item_id,
        "occurred_at": datetime.now(UTC).isoformat(),
    } | more


async def report(person: Person, *interactions: dict[str, Any]) -> None:
    answer = await quoted(person, *interactions)
    assert answer.status_code == 202, answer.text


async def quoted(person: Person, *interactions: dict[str, Any]) -> Any:
    """Report interactions with items of a feed that the person was given."""
    return await person.post(
        "/interactions", {"interactions": [{"request_id": feed_id(person)} | one for one in interactions]}
    )


async def feed(person: Person, path: str = CONTENT, **body: Any) -> dict[str, Any]:
    answer = await person.post(path, body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(answer: dict[str, Any], kind: str = "post") -> list[str]:
    return [item[kind]["id"] for item in answer["items"]]


async def write(town: Town, *, count: int = 1, **connector: Any) -> list[str]:
    """Posts of as many people, each in an own connector."""
    posts = []
    for _ in range(count):
        author = await town.create_user()
        posts.append((await author.make_post(await author.make_connector(**connector)))["id"])
    return posts


async def done(answer: Any) -> None:
    assert answer.is_success, answer.text


async def comment(person: Person, post: str) -> Any:
    connector_id = (await person.get(f"/posts/{post}")).json()["connector_id"]
    await done(await person.post(f"/connectors/{connector_id}/join"))
    return await person.post(f"/posts/{post}/comments", {"content": "How kind of you."})


ACTS: dict[str, Callable[[Person, str], Awaitable[Any]]] = {
    "like": lambda person, post: person.post(f"/posts/{post}/like"),
    "reaction": lambda person, post: person.put(f"/posts/{post}/reaction", {"kind": "love"}),
    "comment": comment,
    "click": lambda person, post: quoted(person, reported("click", post)),
    "dwell": lambda person, post: quoted(person, reported("dwell", post, dwell_ms=20_000)),
    "hide": lambda person, post: quoted(person, reported("hide", post)),
}


@pytest.mark.parametrize("act", list(ACTS))
@pytest.mark.parametrize("has_model", [True, False], ids=["model", "fallback"])
async def test_a_post_that_somebody_acted_on_is_not_served_again(
    town: Town, ranker: Ranker, act: str, has_model: bool
) -> None:
    post, other = await write(town, count=2)
    # A place of their own, in which both are popular.
    place = uuid4().hex
    viewer, fan = await town.create_user(neighborhood=place), await town.create_user(neighborhood=place)
    for liked in (post, other):
        await done(await fan.post(f"/posts/{liked}/like"))
    ranker.rank(post, other)
    ranker.status = 200 if has_model else 503
    assert post in ids(await feed(viewer, limit=2))
    await done(await ACTS[act](viewer, post))
    ranker.asked.clear()
    served = ids(await feed(viewer, limit=100))
    assert other in served
    assert post not in served
    assert post in ranker.asked[0]["exclude"]


async def test_an_unlike_lets_a_post_return(town: Town, ranker: Ranker, ben: Person) -> None:
    [post] = await write(town)
    ranker.rank(post)
    await done(await ben.post(f"/posts/{post}/like"))
    assert post not in ids(await feed(ben, limit=100))
    await done(await ben.delete(f"/posts/{post}/like"))
    assert post in ids(await feed(ben, limit=1))


@pytest.mark.parametrize("has_model", [True, False], ids=["model", "fallback"])
async def test_shown_posts_leave_the_next_page_while_others_exist(
    town: Town, ranker: Ranker, ben: Person, has_model: bool
) -> None:
    posts = await write(town, count=8)
    ranker.rank(*posts)
    ranker.status = 200 if has_model else 503
    shown = ids(await feed(ben, limit=4))
    await report(ben, *(reported("impression", post, position=place) for place, post in enumerate(shown)))
    assert len(shown) == 4
    assert not set(shown) & set(ids(await feed(ben, limit=4)))
    assert set(shown) <= set(ranker.asked[-1]["exclude"])


async def test_exhausted_feed_repeats_least_recent_but_never_liked(town: Town, ranker: Ranker, ben: Person) -> None:
    mine = await write(town, count=3)
    ranker.rank(*mine)
    now = datetime.now(UTC)
    for hours, post in enumerate(mine, start=1):
        await report(ben, reported("impression", post, occurred_at=(now - timedelta(hours=hours)).isoformat()))
    await done(await ben.post(f"/posts/{mine[0]}/like"))
    # Everything else of the test's town was shown, too, and later.
    await town.write(
        "INSERT INTO item_exposures (user_id, item_kind, item_id, shown_at) "
        "SELECT :id, 'post', id, now() FROM posts ON CONFLICT DO NOTHING",
        id=ben.id,
    )
    answer = await feed(ben, limit=2)
    assert ids(answer) == [mine[2], mine[1]]
    assert {item["reasons"][0]["code"] for item in answer["items"]} == {"shown_before"}
    assert mine[0] not in ids(await feed(ben, limit=100))


async def test_an_impression_expires_after_a_week_and_its_row_later(town: Town, ranker: Ranker, ben: Person) -> None:
    [post] = await write(town)
    ranker.rank(post)
    await report(ben, reported("impression", post))
    assert post not in ids(await feed(ben, limit=1))
    await town.write("UPDATE item_exposures SET shown_at = now() - interval '8 days' WHERE user_id = :id", id=ben.id)
    assert ids(await feed(ben, limit=1)) == [post]
    await town.write("UPDATE item_exposures SET shown_at = now() - interval '31 days' WHERE user_id = :id", id=ben.id)
    await purge(town.app.state.engine)
    assert await town.rows("SELECT FROM item_exposures WHERE user_id = :id", id=ben.id) == []


async def test_without_consent_no_impressions_are_stored(town: Town, ben: Person) -> None:
    posts = await write(town, count=2)
    await report(ben, reported("impression", posts[0]))
    await done(await ben.put("/privacy/consents/personalization", {"granted": False}))
    await report(ben, reported("impression", posts[1]), reported("click", posts[1]))
    assert await town.rows("SELECT FROM item_exposures WHERE user_id = :id", id=ben.id) == []
    await done(await ben.post(f"/posts/{posts[0]}/like"))
    assert posts[0] not in ids(await feed(ben, limit=100))


async def test_joined_requested_and_shown_connectors_are_not_served(
    town: Town, ranker: Ranker, ada: Person, ben: Person
) -> None:
    joined, requested, shown, free = [await ada.make_connector() for _ in range(4)]
    ranker.rank(*(one["id"] for one in (joined, requested, shown, free)))
    await done(await ben.post(f"/connectors/{joined['id']}/join"))
    await town.ask_to_join(ben, requested)
    await report(ben, reported("impression", shown["id"], item_kind="connector"))
    served = ids(await feed(ben, CONNECTORS, limit=1), "connector")
    assert served == [free["id"]]
    everything = ids(await feed(ben, CONNECTORS, limit=100), "connector")
    assert not {joined["id"], requested["id"]} & set(everything)


async def test_a_hide_lowers_its_category_at_once_and_can_be_undone(town: Town, ranker: Ranker, ben: Person) -> None:
    subject = uuid4().hex
    hidden, like_it = await write(town, count=2, category=subject)
    [other] = await write(town, category=uuid4().hex)
    ranker.rank(like_it, other)
    assert ids(await feed(ben, limit=2)) == [like_it, other]
    await report(ben, reported("hide", hidden))
    assert ids(await feed(ben, limit=2)) == [other, like_it]
    assert 0.9 < ranker.asked[-1]["hidden"]["categories"][subject] <= 1.0
    await town.write("DELETE FROM hidden_items WHERE user_id = :id", id=ben.id)
    assert ids(await feed(ben, limit=2)) == [like_it, other]


async def test_a_page_has_new_posts_and_no_author_fills_it(
    town: Town, ranker: Ranker, ada: Person, ben: Person
) -> None:
    loud = await ada.make_connector()
    old = [(await ada.make_post(loud))["id"] for _ in range(20)]
    await town.write(
        "UPDATE posts SET created_at = now() - interval '20 days' WHERE connector_id = :id", id=UUID(loud["id"])
    )
    await write(town, count=8)
    ranker.rank(*old)
    items = (await feed(ben, limit=20))["items"]
    fresh = [
        one
        for one in items
        if datetime.fromisoformat(one["post"]["created_at"]) > datetime.now(UTC) - timedelta(days=3)
    ]
    assert len(fresh) >= 7
    assert sum(one["post"]["author"]["id"] == str(ada.id) for one in items) <= 3


async def test_posts_that_the_model_passed_over_are_not_added(town: Town, ranker: Ranker, ben: Person) -> None:
    chosen, passed_over = await write(town), await write(town, count=2)
    author = await town.create_user()
    club = await author.make_connector(is_public=False)
    private = (await author.make_post(club))["id"]
    await town.write(
        "INSERT INTO connector_members (connector_id, user_id) VALUES (:connector, :id)",
        connector=UUID(club["id"]),
        id=ben.id,
    )
    ranker.rank(*chosen)
    ranker.items[0]["relevance"] = 0.05
    now = datetime.now(UTC)

    async def served(indexed_until: datetime | None) -> list[str]:
        ranker.indexed_until = None if indexed_until is None else indexed_until.isoformat()
        return ids(await feed(ben, limit=1)) + ids(await feed(ben, limit=1, exclude=[private]))

    # The index lacks posts of private connectors, whose members get them all the same.
    assert await served(now + timedelta(hours=1)) == [private, *chosen]
    for newer_than_the_index in (now - timedelta(hours=1), None):
        first, second = await served(newer_than_the_index)
        assert first == private
        assert second not in chosen
    # Within the indexing lag, the answer names those that the model ranked.
    recent = await town.rows("SELECT id::text FROM posts WHERE created_at > now() - interval '1 hour'")
    assert set(passed_over) <= {row.id for row in recent}
    ranker.just_indexed = [row.id for row in recent if row.id != private]
    assert await served(now) == [private, *chosen]


async def test_the_mask_of_serving_is_the_mask_of_evaluation(town: Town, ben: Person) -> None:
    liked, commented, clicked, read, glanced, shown, hidden, free = posts = await write(town, count=8)
    own = (await ben.make_post(await ben.make_connector()))["id"]
    for act, post in (("like", liked), ("comment", commented), ("click", clicked), ("dwell", read), ("hide", hidden)):
        await done(await ACTS[act](ben, post))
    await report(
        ben, reported("dwell", glanced, dwell_ms=500), reported("impression", shown), reported("impression", liked)
    )

    async with town.app.state.psycopg_pool.autocommit() as session:
        viewer = replace(VIEWER_PLACEHOLDER, id=ben.id)
        every = [UUID(post) for post in (*posts, own)]
        online = await mask_among(session, viewer=viewer, item_kind="post", ids=every)
    offline = mask_users(await lake_of(town, ben), kind=ItemKind.POST, at=datetime.now(UTC))[str(ben.id)]

    expected = {liked: "liked", commented: "commented", clicked: "opened", read: "opened", hidden: "hidden", own: "own"}
    assert {str(post): reason for post, reason in online.excluded.items()} == expected == offline.excluded
    assert [str(post) for post in online.shown] == [shown] == list(offline.shown)
    assert {str(post) for post in online.split(every)[0]} == {free, glanced} == set(offline.split(map(str, every))[0])


async def test_connector_mask_equals_evaluation_except_join_requests(town: Town, ada: Person, ben: Person) -> None:
    joined, requested, free = [await ada.make_connector() for _ in range(3)]
    founded = await ben.make_connector()
    await done(await ben.post(f"/connectors/{joined['id']}/join"))
    await town.ask_to_join(ben, requested)

    async with town.app.state.psycopg_pool.autocommit() as session:
        every = [UUID(one["id"]) for one in (joined, requested, free, founded)]
        online = await mask_among(
            session, viewer=replace(VIEWER_PLACEHOLDER, id=ben.id), item_kind="connector", ids=every
        )
    offline = mask_users(await lake_of(town, ben), kind=ItemKind.CONNECTOR, at=datetime.now(UTC))[str(ben.id)]

    expected = {joined["id"]: "joined", founded["id"]: "own"}
    assert offline.excluded == expected
    assert {str(one): reason for one, reason in online.excluded.items()} == expected | {requested["id"]: "requested"}


async def lake_of(town: Town, person: Person) -> Any:
    """The person's acts as the lake has them: captured rows and behavior events."""

    async def rows(table: str, column: str) -> list[dict[str, Any]]:
        found = await town.rows(f"SELECT * FROM {table} WHERE {column} = :id", id=person.id)
        return [change(table, **{name: _as_text(value) for name, value in row._mapping.items()}) for row in found]

    outbox = await town.rows(
        "SELECT payload FROM cdc_outbox WHERE key = :id AND topic = :topic", id=str(person.id), topic=INTERACTIONS_TOPIC
    )
    behavior = [
        row.payload | {name: datetime.fromisoformat(row.payload[name]) for name in ("occurred_at", "received_at")}
        for row in outbox
    ]
    return activity_events(
        **lake_tables(
            interactions=[change("interactions", **one) for one in behavior],
            post_likes=await rows("post_likes", "user_id"),
            comments=await rows("comments", "author_id"),
            posts=await rows("posts", "author_id"),
            connectors=await rows("connectors", "created_by"),
            connector_members=await rows("connector_members", "user_id"),
        )
    )


def _as_text(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value)
    return str(value) if isinstance(value, UUID) else value


def soon() -> str:
    """Return a start that is nearer than the events of other tests: only the nearest are candidates."""
    return (datetime.now(UTC) + timedelta(minutes=30)).isoformat()


@pytest.mark.parametrize(
    ("kind", "path", "key"), [("event", "events", "event"), ("item", "marketplace", "item")], ids=["events", "items"]
)
async def test_hidden_events_and_items_are_absent_and_shown_ones_last(
    town: Town, kind: str, path: str, key: str
) -> None:
    category = uuid4().hex
    viewer = await town.create_user(interests=[category])
    body: dict[str, Any] = {"title": "Hat"}
    body |= {"start_date": soon()} if kind == "event" else {"price": "5.00", "category": "hats"}
    # Of one author or connector, the caps of a short page would leave out some.
    hosts = [await town.create_user() for _ in range(3)]
    connectors = [await host.make_connector(category=category) for host in hosts]
    made = [
        await host.post("/events" if kind == "event" else "/marketplace/items", body | {"connector_id": one["id"]})
        for host, one in zip(hosts, connectors, strict=True)
    ]
    hidden, shown, other = (answer.json()["id"] for answer in made)
    before = ids(await feed(viewer, f"/recommendations/{path}", limit=10), key)
    assert set(before[:3]) == {hidden, shown, other}
    for table, column in (("hidden_items", "created_at"), ("item_exposures", "shown_at")):
        await town.write(
            f"INSERT INTO {table} (user_id, item_kind, item_id, {column}) VALUES (:id, :kind, :item, now())",
            id=viewer.id,
            kind=kind,
            item=UUID(hidden if table == "hidden_items" else shown),
        )
    after = ids(await feed(viewer, f"/recommendations/{path}", limit=100), key)
    assert after[0] == other
    assert hidden not in after
    assert shown not in after[:-1], "the last one, or on a later page where other tests left a hundred others"


@pytest.mark.parametrize(("kind", "path"), [("event", "events"), ("item", "marketplace")], ids=["events", "items"])
async def test_hide_counts_against_host_connector_and_category(town: Town, kind: str, path: str) -> None:
    category = uuid4().hex
    viewer, host, neighbor = (
        await town.create_user(interests=[category]),
        await town.create_user(),
        await town.create_user(),
    )

    async def make(person: Person, connector: dict[str, Any]) -> str:
        body: dict[str, Any] = {"title": "Hat", "connector_id": connector["id"]}
        if kind == "event":
            answer = await person.post("/events", body | {"start_date": soon()})
        else:
            answer = await person.post("/marketplace/items", body | {"price": "5.00", "category": "hats"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def scores() -> dict[str, float]:
        """Return the score of each on a page without the others: one after the other they would count as repeats."""
        found: dict[str, float] = {}
        for item_id in made:
            others = [other for other in made if other != item_id]
            items = (await feed(viewer, f"/recommendations/{path}", limit=100, exclude=others))["items"]
            found |= {one[kind]["id"]: one["score"] for one in items if one[kind]["id"] == item_id}
        return found

    garden = await host.make_connector(category=category)
    hidden, same_host = await make(host, garden), await make(host, garden)
    same_category = await make(neighbor, await neighbor.make_connector(category=category))
    made = [hidden, same_host, same_category]
    before = await scores()
    assert before[hidden] == pytest.approx(before[same_host]) == pytest.approx(before[same_category])
    assert min(before.values()) > 0
    await report(viewer, reported("hide", hidden, item_kind=kind))
    after = await scores()
    assert hidden not in after
    # By host, connector and category at once: it may be below a whole page of what other tests left.
    assert after.get(same_host, 0.0) < after[same_category] < before[same_category]
    await done(await viewer.delete(f"/interactions/hides/{kind}/{hidden}"))
    assert await scores() == pytest.approx(before)
