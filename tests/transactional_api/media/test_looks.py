"""Uploads wait for the model's look; where it stops at one, or a neighbour does, a moderator decides."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.transactional_api.fake_vision_service import SEEN, Vision
from tests.transactional_api.media.files import jpeg
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_moderation import cases, decide


@pytest.mark.parametrize("verdict", ["review", "block"])
async def test_a_moderator_sees_what_the_model_stops_at(  # noqa: PLR0917 (fixtures)
    ada: Person, ben: Person, mod: Person, garden: dict[str, Any], vision: Vision, verdict: str
) -> None:
    vision.answers["/classify"] = SEEN | {"verdict": verdict, "nsfw": 0.9}
    picture = await vision.keep(ada, jpeg())
    post = {"connector_id": garden["id"], "content": "Seedlings", "media_ids": [picture["id"]]}
    posted, seen = (201, 200) if verdict == "review" else (422, 404)
    assert (await ada.post("/posts", post)).status_code == posted
    assert (await ben.get(f"/media/{picture['id']}")).status_code == seen
    assert (await ada.get(f"/media/{picture['id']}")).status_code == 200
    (case,) = [one for one in (await cases(mod)).values() if one["subject_id"] == picture["id"]]
    assert (case["subject_kind"], case["triage"]["categories"]) == ("upload", {"nsfw": 0.9})
    assert (await mod.get(f"/media/{picture['id']}")).status_code == 200
    await decide(mod, case["id"], "keep")
    assert (await ada.post("/posts", post)).status_code == 201
    assert (await ben.get(f"/media/{picture['id']}")).status_code == 200
    await ada.post("/media/process", {"media_id": picture["id"]})
    await vision.work()
    assert picture["id"] not in {one["subject_id"] for one in (await cases(mod)).values()}


async def test_a_neighbour_reports_an_upload(
    ada: Person, ben: Person, mod: Person, garden: dict[str, Any], vision: Vision
) -> None:
    picture = await vision.keep(ada, jpeg())
    await ada.make_post(garden, media_ids=[picture["id"]])
    assert (await ben.get(f"/media/{picture['id']}")).status_code == 200
    body = {"subject_kind": "upload", "subject_id": picture["id"], "reason": "privacy"}
    assert (await ben.post("/moderation/reports", body)).status_code == 201
    (case,) = [one for one in (await cases(mod)).values() if one["subject_id"] == picture["id"]]
    await decide(mod, case["id"], "hide")
    assert (await ben.get(f"/media/{picture['id']}")).status_code == 404
    assert (await ada.get(f"/media/{picture['id']}")).status_code == 200


async def test_what_waits_for_a_look_is_its_owners_alone_for_a_while(
    ada: Person, ben: Person, vision: Vision, town: Town
) -> None:
    vision.answers["/classify"] = 503
    picture = await vision.keep(ada, jpeg())
    assert (picture["state"], picture["hold_until"] is not None) == ("ready", True)
    assert (await ben.get(f"/media/{picture['id']}")).status_code == 404
    connector = await ada.make_connector()
    body = {"connector_id": connector["id"], "media_id": picture["id"], "title": "Tomatoes"}
    story = await ada.post("/stories", body)
    assert story.status_code == 201, story.text
    assert (await ben.get(f"/stories/{story.json()['id']}")).json()["media_url"] is None
    # The job is tried again later, which is now for once.
    vision.answers["/classify"] = SEEN
    await town.write(
        "UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE args->>'media_id' = :id", id=picture["id"]
    )
    await vision.work()
    assert (await ada.get(f"/media/{picture['id']}")).json()["hold_until"] is None
    assert (await ben.get(f"/media/{picture['id']}")).status_code == 200
    assert (await ben.get(f"/stories/{story.json()['id']}")).json()["media_url"] is not None


async def test_a_model_that_is_away_keeps_nobodys_pictures_for_good(
    ada: Person, ben: Person, garden: dict[str, Any], vision: Vision
) -> None:
    vision.context = dataclasses.replace(
        vision.context, settings=vision.context.settings.model_copy(update={"media_analysis_hold_minutes": 0})
    )
    vision.answers["/classify"] = 503
    picture = await vision.keep(ada, jpeg())
    assert picture["hold_until"] is None
    await ada.make_post(garden, media_ids=[picture["id"]])
    assert (await ben.get(f"/media/{picture['id']}")).status_code == 200
