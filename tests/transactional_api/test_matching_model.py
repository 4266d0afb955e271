"""Matching by the model: its answer passes through the permissions, and the rules stand in where it knows nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from neighborconnect.settings import Settings
from tests.transactional_api.local_server import serving
from tests.transactional_api.people import Person, Town
from transactional_api.core.inference.client import InferenceClient


class Service:
    """Answers with ``keys``; remembers whom it was asked about."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.asked: list[dict[str, Any]] = []

    async def match(self, request: Request) -> Response:
        self.asked.append((await request.json())["request"])
        matches = [
            {"key": key, "score": 1 - place / 100, "reason": "mutual_ties"} for place, key in enumerate(self.keys)
        ]
        return JSONResponse({"matches": matches, "model_version": "matching-1", "features_age_ms": 60_000})


@pytest.fixture
async def model(town: Town, settings: Settings) -> AsyncIterator[Service]:
    """A matching service that this test decides on."""
    service = Service()
    async with serving(Starlette(routes=[Route("/match", service.match, methods=["POST"])])) as url:
        client = InferenceClient(settings.model_copy(update={"matching_url": url, "inference_deadline_ms": 5_000}))
        before, town.app.state.inference = town.app.state.inference, client
        yield service
        town.app.state.inference = before
        await client.aclose()


async def test_blocked_hidden_and_deleted_people_are_never_matched(town: Town, ada: Person, model: Service) -> None:
    seen, blocked, blocker, gone = [await town.create_user() for _ in range(4)]
    await ada.post(f"/users/{blocked.id}/block")
    await blocker.post(f"/users/{ada.id}/block")
    await town.write("UPDATE users SET is_active = false WHERE id = :id", id=gone.id)
    nobody = "00000000-0000-4000-8000-000000000000"
    unverified = await town.create_user(verified=False)
    model.keys = [str(one) for one in (blocked.id, ada.id, blocker.id, gone.id, nobody, unverified.id, seen.id)]
    for what, kind in (("users", "users"), ("proximity", "proximity")):
        answer = (await ada.post(f"/matching/{what}", {"limit": 10})).json()
        assert (answer["source"], answer["model_version"]) == ("model", "matching-1")
        assert answer["features_age_ms"] == 60_000
        assert [(one["user"]["id"], one["reason"]) for one in answer["matches"]] == [(str(seen.id), "mutual_ties")]
        assert model.asked[-1] == {"user_id": str(ada.id), "with_user_ids": [], "kind": kind, "limit": 20}


async def test_connectors_that_one_may_not_see_or_is_in_never_appear(ada: Person, ben: Person, model: Service) -> None:
    open_one, closed = await ben.make_connector(), await ben.make_connector(is_public=False)
    mine = await ada.make_connector()
    model.keys = [closed["id"], mine["id"], open_one["id"]]
    answer = (await ada.post("/matching/communities", {})).json()
    assert [one["connector"]["id"] for one in answer["matches"]] == [open_one["id"]]


async def test_connectors_fit_a_group_of_friends_and_nobody_else(
    town: Town, ada: Person, ben: Person, model: Service
) -> None:
    cleo = await town.create_user()
    model.keys = [(await cleo.make_connector())["id"]]
    asked = {"with_user_ids": [str(ben.id)]}
    for follower, followee, status in ((ada, ben, 404), (ben, ada, 200)):
        assert (await follower.post(f"/users/{followee.id}/follow")).status_code in {200, 201, 204}
        answer = await ada.post("/matching/communities", asked)
        assert answer.status_code == status
    assert len(answer.json()["matches"]) == 1
    assert model.asked[-1]["with_user_ids"] == [str(ben.id)]
    for others in ([str(cleo.id)], [str(ben.id), str(cleo.id)], [str(ada.id)]):
        assert (await ada.post("/matching/communities", {"with_user_ids": others})).status_code == 404
    await ben.post(f"/users/{ada.id}/block")
    assert (await ada.post("/matching/communities", asked)).status_code == 404
    many = [str(ben.id)] * 21
    assert (await ada.post("/matching/communities", {"with_user_ids": many})).status_code == 422


async def test_the_rules_answer_where_the_model_knows_nobody(ada: Person, model: Service) -> None:
    for what in ("users", "communities", "interests", "proximity"):
        answer = (await ada.post(f"/matching/{what}", {})).json()
        assert (answer["source"], answer["reason_code"], answer["model_version"]) == ("rules", "no_matches", None)


async def test_who_refuses_to_be_served_personally_is_not_asked_about(ada: Person, model: Service) -> None:
    answer = await ada.put("/privacy/consents/personalization", {"granted": False})
    assert answer.status_code < 300, answer.text
    matched = (await ada.post("/matching/users", {})).json()
    assert (matched["source"], matched["reason_code"]) == ("rules", "no_consent")
    assert model.asked == []
