"""Variants are drawn the same everywhere, as often as their weights say, and only met ones are events."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.transactional_api.people import Person, Town
from transactional_api.intelligence.experiments.schemas import Variant
from transactional_api.intelligence.experiments.service import assign_variant

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
