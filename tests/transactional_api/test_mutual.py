"""Sharing out places: stable whatever people want, within everybody's places, and with nobody who is blocked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.transactional_api.local_server import serving
from tests.transactional_api.people import Person, Town
from transactional_api.core.inference.client import InferenceClient
from transactional_api.intelligence.matching.assignment import Preferences, stable_assignment

Assigned = dict[UUID, UUID]


@st.composite
def markets(draw: st.DrawFn, most: int = 5) -> tuple[dict[UUID, Preferences], dict[UUID, Preferences]]:
    """Seekers and offers, each of whom would have some of the others, in some order."""
    seekers = [UUID(int=number) for number in range(draw(st.integers(0, most)))]
    offers = [UUID(int=100 + number) for number in range(draw(st.integers(0, most - 1)))]

    def order(others: list[UUID]) -> list[UUID]:
        wanted = draw(st.lists(st.sampled_from(others), unique=True)) if others else []
        return draw(st.permutations(wanted))

    return (
        {one: Preferences(order(offers)) for one in seekers},
        {one: Preferences(order(seekers), draw(st.integers(1, 3))) for one in offers},
    )


def is_stable(given: Assigned, seekers: dict[UUID, Preferences], offers: dict[UUID, Preferences]) -> bool:
    for seeker, offer in product(seekers, offers):
        wants, wanted = seekers[seeker].order, offers[offer].order
        if offer not in wants or seeker not in wanted:
            continue
        mine, those = given.get(seeker), [one for one, it in given.items() if it == offer]
        would_go = mine is None or wants.index(offer) < wants.index(mine)
        has_room = len(those) < offers[offer].capacity
        would_take = has_room or any(wanted.index(seeker) < wanted.index(one) for one in those)
        if would_go and would_take and mine != offer:
            return False
    return True


def fits(given: Assigned, seekers: dict[UUID, Preferences], offers: dict[UUID, Preferences]) -> bool:
    within = all(sum(it == offer for it in given.values()) <= side.capacity for offer, side in offers.items())
    return within and all(it in seekers[one].order and one in offers[it].order for one, it in given.items())


@given(markets())
def test_no_two_would_rather_have_each_other(market: tuple[dict[UUID, Preferences], dict[UUID, Preferences]]) -> None:
    given = stable_assignment(*market)
    assert fits(given, *market)
    assert is_stable(given, *market)


@given(markets(most=4))
def test_no_seeker_is_better_off_in_any_other_stable_assignment(
    market: tuple[dict[UUID, Preferences], dict[UUID, Preferences]],
) -> None:
    seekers, offers = market
    got = stable_assignment(seekers, offers)
    for chosen in product(*[[None, *offers] for _ in seekers]):
        other = {one: it for one, it in zip(seekers, chosen, strict=True) if it is not None}
        if not fits(other, seekers, offers) or not is_stable(other, seekers, offers):
            continue
        for one, it in other.items():
            assert one in got
            assert seekers[one].order.index(got[one]) <= seekers[one].order.index(it)


class Street(NamedTuple):
    """A connector that ada tends, and its members."""

    ada: Person
    connector: dict[str, Any]
    people: list[Person]

    async def share(self, offers: list[dict[str, Any]], seekers: list[dict[str, Any]]) -> Any:
        sides = {"offers": offers, "seekers": seekers}
        answer = await self.ada.post("/matching/mutual", {"connector_id": self.connector["id"], **sides})
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def street(town: Town, ada: Person) -> Street:
    connector = await ada.make_connector()
    places = [("North", "X"), ("South", "X"), ("North", "X"), ("South", "X"), (None, None)]
    people = [await town.create_user(neighborhood=neighborhood, city=city) for neighborhood, city in places]
    for person in people:
        await town.add_member(person, connector)
    return Street(ada, connector, people)


def named(person: Person, **more: Any) -> dict[str, Any]:
    return {"user_id": str(person.id), **more}


def pairs(answer: Any) -> dict[str, str]:
    return {one["seeker_user_id"]: one["offer_user_id"] for one in answer["pairs"]}


async def test_without_a_model_those_who_live_near_are_put_together(street: Street) -> None:
    north, south, north_too, south_too, elsewhere = street.people
    answer = await street.share([named(north), named(south)], [named(it) for it in (south_too, elsewhere, north_too)])
    assert (answer["source"], answer["reason_code"]) == ("rules", "not_deployed")
    assert pairs(answer) == {str(south_too.id): str(south.id), str(north_too.id): str(north.id)}
    assert {one["reason"] for one in answer["pairs"]} == {"same_neighborhood"}
    assert answer["unassigned_user_ids"] == [str(elsewhere.id)]


async def test_matching_prefers_wishes_and_respects_offer_capacity(street: Street) -> None:
    north, south, north_too, south_too, elsewhere = street.people
    seekers = [named(north_too, preferences=[str(south.id)]), named(south_too), named(elsewhere)]
    answer = await street.share([named(north), named(south, capacity=2)], seekers)
    assert pairs(answer) == {
        str(north_too.id): str(south.id),
        str(south_too.id): str(south.id),
        str(elsewhere.id): str(north.id),
    }


@pytest.mark.parametrize("turned", [False, True])
async def test_nobody_is_put_with_whom_they_block(town: Town, street: Street, turned: bool) -> None:
    north, _, north_too, *_ = street.people
    await town.block(*((north_too, north) if turned else (north, north_too)))
    answer = await street.share([named(north)], [named(north_too, preferences=[str(north.id)])])
    assert (answer["pairs"], answer["unassigned_user_ids"]) == ([], [str(north_too.id)])


async def test_nobody_gets_their_own_place(street: Street) -> None:
    north, south, *_ = street.people
    answer = await street.share([named(north), named(south)], [named(north), named(south)])
    assert pairs(answer) == {str(north.id): str(south.id), str(south.id): str(north.id)}


async def test_only_members_whom_one_may_see_are_shared_out(town: Town, street: Street) -> None:
    stranger, blocker = await town.create_user(), street.people[0]
    await town.block(blocker, street.ada)
    for other in (stranger, blocker):
        body = {"connector_id": street.connector["id"], "offers": [named(street.ada)], "seekers": [named(other)]}
        assert (await street.ada.post("/matching/mutual", body)).status_code == 404


@pytest.mark.parametrize("wrong", ["twice", "nobody", "no places", "too many"])
async def test_what_cannot_be_shared_out_is_refused(street: Street, wrong: str) -> None:
    me = named(street.ada)
    offers, seekers = {
        "twice": ([me, me], [me]),
        "nobody": ([me], []),
        "no places": ([me | {"capacity": 0}], [me]),
        "too many": ([named(street.ada) for _ in range(26)], [me]),
    }[wrong]
    body = {"connector_id": street.connector["id"], "offers": offers, "seekers": seekers}
    assert (await street.ada.post("/matching/mutual", body)).status_code == 422


@pytest.fixture
async def model(town: Town) -> AsyncIterator[list[dict[str, Any]]]:
    """A matching service that ranks the first offer and the last seeker best, and records its requests."""
    asked: list[dict[str, Any]] = []

    async def answer(request: Request) -> Response:
        asked.append((await request.json())["request"])
        offers, seekers = asked[-1]["user_ids"], asked[-1]["with_user_ids"]
        found = [
            {"user_id": one, "with_user_id": other, "score": 1 + place / 10 - rank / 100, "reason": "mutual_ties"}
            for rank, one in enumerate(offers)
            for place, other in enumerate(seekers)
            if one != other
        ]
        return JSONResponse({"pairs": found, "model_version": "matching-1"})

    async with serving(Starlette(routes=[Route("/pairs", answer, methods=["POST"])])) as url:
        settings = town.app.state.settings.model_copy(update={"matching_url": url, "inference_deadline_ms": 5_000})
        client = InferenceClient(settings)
        before, town.app.state.inference = town.app.state.inference, client
        yield asked
        town.app.state.inference = before
        await client.aclose()


async def test_the_model_scores_only_people_who_accept_matching(
    town: Town, street: Street, model: list[dict[str, Any]]
) -> None:
    offer, _, one, other, refuses = street.people
    await refuses.put("/privacy/consents/personalization", {"granted": False})
    answer = await street.share([named(offer, capacity=2)], [named(it) for it in (refuses, one, other)])
    assert (answer["source"], answer["model_version"]) == ("model", "matching-1")
    assert pairs(answer) == {str(one.id): str(offer.id), str(other.id): str(offer.id)}
    assert model == [{"user_ids": [str(offer.id)], "with_user_ids": [str(one.id), str(other.id)]}]
    # With room for all, they get their place like everybody else.
    answer = await street.share([named(offer, capacity=3)], [named(it) for it in (refuses, one, other)])
    assert {one["seeker_user_id"]: one["reason"] for one in answer["pairs"]}[str(refuses.id)] == "no_signals"
    assert len(answer["pairs"]) == 3
