"""Model verdicts leave as events: labels and scores, never the text, and only of people who consent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from neighborconnect.contracts.events import JudgementEvent
from tests.transactional_api.fake_vision_service import FACE, Vision, ask
from tests.transactional_api.media.files import jpeg, video
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_screening import Watch, watch

__all__ = ["watch"]
WORDS = "You vile thing of Dean Street"


async def judgements(town: Town, person: Person) -> list[dict[str, Any]]:
    found = await town.rows(
        "SELECT payload FROM cdc_outbox WHERE topic = 'prediction.judgements' AND key = :id ORDER BY id",
        id=str(person.id),
    )
    events = [row.payload for row in found]
    for event in events:
        JudgementEvent.model_validate(event | {"event_id": 1})
        assert "vile" not in json.dumps(event)
        assert "Dean" not in json.dumps(event)
    return events


@pytest.mark.parametrize("asked", ["sentiment", "moderate", "topics", "spam-detection"])
async def test_an_answer_about_a_text_is_kept_without_the_text(town: Town, ada: Person, asked: str) -> None:
    await ada.post(f"/analysis/{asked}", {"text": WORDS})
    (event,) = await judgements(town, ada)
    assert (event["family"], event["asked"], event["path"]) == ("content", asked, "rules")
    assert event["reason_code"] == "not_deployed"
    assert event["answer"]


async def test_a_judgement_belongs_to_the_trace_of_its_request(town: Town, ada: Person) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    await ada.request("POST", "/analysis/sentiment", json={"text": WORDS}, headers=headers)
    (row,) = await town.rows(
        "SELECT traceparent FROM cdc_outbox WHERE key = :id AND topic = 'prediction.judgements'", id=str(ada.id)
    )
    assert row.traceparent.split("-")[1] == trace


async def test_matches_are_kept_without_who_was_matched(town: Town, ada: Person, ben: Person) -> None:
    await ada.post("/matching/users", {"limit": 5})
    (event,) = await judgements(town, ada)
    assert (event["family"], event["asked"], set(event["answer"])) == ("matching", "users", {"scores", "reasons"})
    assert str(ben.id) not in json.dumps(event)


async def test_who_refuses_is_not_kept(town: Town, ada: Person, watch: Watch, garden: dict[str, Any]) -> None:
    for purpose in ("personalization", "analytics"):
        assert (await ada.put(f"/privacy/consents/{purpose}", {"granted": False})).status_code == 200
    await ada.post("/analysis/moderate", {"text": WORDS})
    await ada.post("/matching/users", {"limit": 5})
    await ada.make_post(garden, content=WORDS)
    await watch.look()
    assert await judgements(town, ada) == []


async def test_a_screened_post_is_kept_with_its_id(
    town: Town, ben: Person, watch: Watch, garden: dict[str, Any]
) -> None:
    post = await ben.make_post(garden, content=WORDS)
    await watch.look()
    (event,) = await judgements(town, ben)
    assert (event["asked"], event["subject_kind"], event["subject_id"]) == ("screen", "post", post["id"])
    assert (event["answer"]["verdict"], event["model_version"], event["path"]) == ("block", "3", "model")


async def test_a_seen_upload_is_kept_with_its_id(town: Town, ada: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    (event,) = await judgements(town, ada)
    assert (event["family"], event["subject_kind"], event["subject_id"]) == ("image", "upload", picture["id"])
    assert event["answer"] == {"verdict": "allow", "categories": {"nsfw": 0.01}}


async def test_a_judgment_of_a_picture_is_stored_once_and_reveals_none(town: Town, ada: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    size = {"width": 48, "height": 48}
    for path, more in (("optimize", {}), ("thumbnail", size), ("thumbnail", size), ("detect-faces", {})):
        await ask(ada, f"/images/{path}", picture, **more)
    events = (await judgements(town, ada))[1:]
    assert [event["asked"] for event in events] == ["optimize", "thumbnail", "detect-faces"]
    assert {(event["family"], event["subject_id"], event["path"]) for event in events} == {
        ("image", picture["id"], "model")
    }
    made = {"width": 64, "height": 48, "bytes": 900, "quality": 80, "ssim": 0.98}
    assert [event["answer"] for event in events] == [
        made,
        made,
        {"faces": [{"score": FACE["score"]}], "anonymized": None},
    ]


async def test_that_nobody_looked_is_kept_with_the_reason(town: Town, ada: Person) -> None:
    picture, clip = await town.keep_upload(ada, jpeg()), await town.keep_upload(ada, video())
    await ask(ada, "/images/detect-faces", picture)
    await ask(ada, "/videos/moderate", clip)
    events = await judgements(town, ada)
    assert [(event["family"], event["path"], event["reason_code"], event["answer"]) for event in events] == [
        ("image", "rules", "not_deployed", {}),
        ("video", "rules", "not_deployed", {}),
    ]


async def test_nothing_is_kept_of_the_pictures_of_who_refuses(town: Town, ada: Person, vision: Vision) -> None:
    for purpose in ("personalization", "analytics"):
        assert (await ada.put(f"/privacy/consents/{purpose}", {"granted": False})).status_code == 200
    picture = await vision.keep(ada, jpeg())
    await ask(ada, "/images/optimize", picture)
    assert await judgements(town, ada) == []
