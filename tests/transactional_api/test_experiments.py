"""Variants are drawn the same everywhere, as often as their weights say, and only met ones are events."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from neighborconnect.feed.policy import changed_policy
from neighborconnect.settings import Settings
from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town
from transactional_api.intelligence.experiments.schemas import Variant
from transactional_api.intelligence.experiments.service import assign_variant, position_of

HALVES = [{"name": "control", "weight": 50}, {"name": "new", "weight": 50}]


def variants(**weights: int) -> list[Variant]:
    return [Variant(name=name, weight=weight) for name, weight in weights.items()]


@pytest.fixture
async def admin(town: Town) -> Person:
    return await town.create_user(role="admin")


async def begin(admin: Person, **changes: Any) -> str:
    key = f"try-{uuid4().hex}"
    answer = await admin.post(f"/experiments/{key}", {"variants": HALVES, **changes})
    assert answer.status_code == 201, answer.text
    return key


async def exposures(town: Town, person: Person) -> list[Any]:
    return await town.rows(
        "SELECT payload FROM cdc_outbox WHERE key = :id AND topic = 'experiment.exposures'", id=str(person.id)
    )


def test_a_draw_is_the_same_on_every_machine() -> None:
    person = UUID(int=7)
    assert [assign_variant(f"key-{n}", person, variants(a=1, b=1)) for n in range(8)] == list("baaaabbb")


def test_draws_follow_their_weights_and_are_independent() -> None:
    people = [UUID(int=n) for n in range(20_000)]
    one = [assign_variant("one", person, variants(a=10, b=30, c=60)) for person in people]
    counts = Counter(one)
    # Five standard deviations of a binomial at most.
    assert abs(counts["a"] - 2_000) < 5 * 43
    assert abs(counts["b"] - 6_000) < 5 * 65
    other = [assign_variant("other", person, variants(a=50, b=50)) for person in people]
    both = sum(x == "c" and y == "a" for x, y in zip(one, other, strict=True))
    assert abs(both - 6_000) < 5 * 65
    assert assign_variant("one", people[0], variants(a=0, b=1)) == "b"


async def test_what_is_met_is_an_event_and_what_is_assigned_is_none(town: Town, admin: Person, ada: Person) -> None:
    key = await begin(admin)
    first = (await ada.get(f"/experiments/{key}/assignment")).json()
    assert (await exposures(town, ada), first["reason"]) == ([], "assigned")
    met = (await ada.post(f"/experiments/{key}/exposures")).json()
    assert (met["variant"], met["recorded"]) == (first["variant"], True)
    [(event,)] = await exposures(town, ada)
    assert (event["experiment"], event["variant"], event["user_id"]) == (key, met["variant"], str(ada.id))


async def test_who_refuses_analytics_has_what_was_before(town: Town, admin: Person, ada: Person) -> None:
    key = await begin(admin, variants=[{"name": "control", "weight": 0}, {"name": "new", "weight": 1}])
    assert (await ada.get(f"/experiments/{key}/assignment")).json()["variant"] == "new"
    await ada.put("/privacy/consents/analytics", {"granted": False})
    met = (await ada.post(f"/experiments/{key}/exposures")).json()
    assert (met["variant"], met["reason"], met["recorded"]) == ("control", "no_consent", False)
    assert await exposures(town, ada) == []


async def test_an_experiment_that_is_over_is_over_for_all(admin: Person, ada: Person) -> None:
    key = await begin(admin)
    ended = await admin.put(f"/experiments/{key}", {"variants": HALVES, "is_active": False})
    assert ended.json()["is_active"] is False
    assert (await ada.get(f"/experiments/{key}/assignment")).json()["reason"] == "inactive"
    assert (await ada.get(f"/experiments/try-{uuid4().hex}/assignment")).status_code == 404
    assert (await admin.post(f"/experiments/{key}", {"variants": HALVES})).status_code == 409


@pytest.mark.parametrize(
    "wrong",
    [
        [HALVES[0]],
        [HALVES[0], HALVES[0]],
        [{"name": "a", "weight": 0}, {"name": "b", "weight": 0}],
        [{"name": "A b", "weight": 1}] * 2,
    ],
)
async def test_what_cannot_be_drawn_is_refused(admin: Person, wrong: list[dict[str, Any]]) -> None:
    assert (await admin.post(f"/experiments/try-{uuid4().hex}", {"variants": wrong})).status_code == 422


RANKED = {"age": {"half_life_days": 0.05, "floor": 0.0}}


def on_ranking(*, new_weight: int = 1, **changes: Any) -> dict[str, Any]:
    new = {"name": "newest", "weight": new_weight, "ranking": RANKED}
    return {"variants": [{"name": "control", "weight": 1 - new_weight}, new], "layer": f"layer-{uuid4().hex}"} | changes


@pytest.fixture
async def ranking(admin: Person) -> AsyncIterator[Callable[..., Any]]:
    """Start an experiment on ranking, which ends with the test."""
    keys = []

    async def start(**changes: Any) -> str:
        keys.append(await begin(admin, **on_ranking(**changes)))
        return keys[-1]

    yield start
    for key in keys:
        assert (await admin.post(f"/experiments/{key}/stop", {"reason": "the test ends"})).status_code == 204


async def order_of(person: Person) -> tuple[list[str], str]:
    answer = (await person.post("/recommendations/content", {"limit": 2})).json()
    return [item["post"]["id"] for item in answer["items"]], answer["request_id"]


async def test_feeds_use_the_parameters_of_the_variant(  # noqa: PLR0917 (fixtures)
    town: Town, ranker: Ranker, admin: Person, ada: Person, ben: Person, ranking: Any
) -> None:
    authors = [await town.create_user() for _ in range(2)]
    old, new = [(await one.make_post(await one.make_connector()))["id"] for one in authors]
    await town.write("UPDATE posts SET created_at = now() - interval '2 days' WHERE id = CAST(:id AS uuid)", id=old)
    ranker.rank(old, new)
    ranker.items[1]["score"] = 0.5
    ranker.indexed_until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert (await order_of(ada))[0] == [old, new]
    key = await ranking()
    served = [await order_of(ada) for _ in range(2)]
    assert [order for order, _ in served] == [[new, old]] * 2
    told = (await ada.get(f"/recommendations/{served[0][1]}")).json()
    assert (told["variants"], told["policy_version"]) == ({key: "newest"}, changed_policy(RANKED).version)
    again = await admin.post(f"/recommendations/{served[0][1]}/replay", {"asks_model": False})
    assert (again.json()["moved_count"], again.json()["policy_version"]) == (0, told["policy_version"])
    events = [event for (event,) in await exposures(town, ada)]
    assert [(event["experiment"], event["variant"]) for event in events] == [(key, "newest")] * 2

    home = (await ada.post("/recommendations/home", {"limit": 5})).json()["request_id"]
    assert (await ada.get(f"/recommendations/{home}")).json()["variants"] == {key: "newest"}
    await ben.put("/privacy/consents/analytics", {"granted": False})
    assert ((await order_of(ben))[0], await exposures(town, ben)) == ([old, new], [])
    assert (await admin.post(f"/experiments/{key}/stop", {"reason": "more hides"})).status_code == 204
    assert (await order_of(ada))[0] == [old, new]
    [stopped] = [one for one in (await admin.get("/experiments")).json()["items"] if one["key"] == key]
    assert (stopped["is_active"], stopped["stop_reason"], stopped["stopped_at"] is None) == (False, "more hides", False)


async def test_people_of_one_layer_are_in_one_experiment(admin: Person, ada: Person, ranking: Any) -> None:
    layer = f"layer-{uuid4().hex}"
    keys = [await ranking(layer=layer, layer_start=start, share=0.5) for start in (0.0, 0.5)]
    reasons = [(await ada.get(f"/experiments/{key}/assignment")).json()["reason"] for key in keys]
    assert sorted(reasons) == ["assigned", "not_sampled"]
    people = [UUID(int=n) for n in range(10_000)]
    # Five standard deviations of a binomial at most.
    assert abs(sum(position_of(layer, person) < 0.5 for person in people) - 5_000) < 5 * 50
    for taken in (on_ranking(layer=layer, share=0.1), on_ranking()):
        answer = await admin.post(f"/experiments/try-{uuid4().hex}", taken)
        assert (answer.status_code, answer.json()["code"]) == (409, "experiment_conflict")
    over = on_ranking(ends_at="2020-01-01T00:00:00Z", is_active=False)
    assert (await admin.post(f"/experiments/try-{uuid4().hex}", over)).status_code == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {"variants": [{"name": "control", "weight": 1, "ranking": RANKED}, HALVES[1]]},
        *(
            {"variants": [HALVES[0], {"name": "new", "weight": 1, "ranking": ranking}]}
            for ranking in ({"weather": {}}, {"age": {"floor": 2}}, {"standing": {"new_days": 0}}, {"age": {"x": 1}})
        ),
        {"layer_start": 0.6, "share": 0.5},
        {"primary_metric": "happiness"},
        {"starts_at": "2026-03-02T00:00:00Z", "ends_at": "2026-03-01T00:00:00Z"},
    ],
)
async def test_definitions_out_of_range_are_refused(admin: Person, wrong: dict[str, Any]) -> None:
    body = {"variants": HALVES} | wrong
    assert (await admin.post(f"/experiments/try-{uuid4().hex}", body)).status_code == 422


def test_infinite_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        changed_policy({"priors": {"soon": float("1e999")}})
    steep = changed_policy({"hides": {"author": {"decay": 1e-300}}}).hides.author
    assert steep.floor < steep.factor(-2.0) < float("inf")


async def test_a_readout_of_the_pipelines_stops_an_experiment(
    town: Town, admin: Person, settings: Settings, ranking: Any
) -> None:
    key, token = await ranking(), {"X-Platform-Token": settings.platform_token.get_secret_value()}
    listed = await town.nobody.request("GET", "/experiments/platform", headers=token)
    assert key in [one["key"] for one in listed.json()["experiments"]]
    path = f"/experiments/{key}/readout/platform"
    for body in ({"readout": {"n": 1}}, {"readout": {"n": 2}, "stop_reason": "hides rose"}):
        stored = await town.nobody.request("PUT", path, json=body, headers=token)
        assert stored.status_code == 204
    [row] = await town.rows("SELECT is_active, stop_reason, readout FROM experiments WHERE key = :key", key=key)
    assert tuple(row) == (False, "hides rose", {"n": 2})

    # Outcomes of people of the last day are complete a week later.
    for days, is_listed in ((7, True), (9, False)):
        await town.write(
            "UPDATE experiments SET is_active = true, ends_at = now() - make_interval(days => :days) WHERE key = :key",
            days=days,
            key=key,
        )
        listed = await town.nobody.request("GET", "/experiments/platform", headers=token)
        assert (key in [one["key"] for one in listed.json()["experiments"]]) == is_listed
