"""Pictures and videos: the models' answers where they are deployed, and an honest nothing where they are not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from neighborconnect.settings import Settings
from tests.transactional_api.media.files import jpeg, video
from tests.transactional_api.people import Person, Town
from transactional_api.inference import InferenceClient

FACE = {"left": 0.3, "top": 0.1, "width": 0.2, "height": 0.3, "score": 0.97}
ANSWERS = {
    "/detect-faces": {"faces": [FACE], "model_version": "2"},
    "/classify": {"labels": [{"label": "garden", "score": 0.8}], "model_version": "2"},
    "/analyze": {"labels": [{"label": "garden", "score": 0.8}], "model_version": "2"},
    "/moderate": {"verdict": "allow", "model_version": "2"},
}


@pytest.fixture
async def models(town: Town, settings: Settings) -> AsyncIterator[list[httpx.Request]]:
    """Vision services for this test, and what they are asked."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=ANSWERS[request.url.path])

    urls = {"image_url": "http://image.test", "video_url": "http://video.test"}
    client = InferenceClient(settings.model_copy(update=urls))
    await client._http.aclose()
    client._http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    before, town.app.state.inference = town.app.state.inference, client
    yield asked
    town.app.state.inference = before
    await client.aclose()


async def ask(person: Person, path: str, upload: dict[str, Any], **more: Any) -> Any:
    answer = await person.post(path, {"media_id": upload["id"], **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_models_are_given_a_link_and_answer(town: Town, ada: Person, models: list[httpx.Request]) -> None:
    picture, clip = await town.keep_upload(ada, jpeg()), await town.keep_upload(ada, video())
    assert (await ask(ada, "/images/detect-faces", picture))["faces"] == [FACE]
    assert (await ask(ada, "/images/classify", picture))["labels"][0]["label"] == "garden"
    facts = await ask(ada, "/videos/analyze", clip)
    assert (facts["path"], facts["width"], facts["height"]) == ("model", 64, 48)
    assert (await ask(ada, "/videos/moderate", clip))["verdict"] == "allow"
    assert [request.url.host for request in models] == ["image.test", "image.test", "video.test", "video.test"]
    assert all(b"X-Amz-Signature" in request.content for request in models)


async def test_without_models_nothing_is_claimed_and_a_person_is_asked(town: Town, ada: Person) -> None:
    picture, clip = await town.keep_upload(ada, jpeg()), await town.keep_upload(ada, video())
    faces = await ask(ada, "/images/detect-faces", picture)
    assert faces == {"path": "rules", "reason_code": "not_deployed", "model_version": None, "faces": []}
    assert (await ask(ada, "/videos/moderate", clip))["verdict"] == "review"
    assert (await ask(ada, "/videos/analyze", clip))["seconds"] == pytest.approx(1, abs=0.1)


async def test_a_copy_is_as_wide_as_asked_or_the_widest_that_there_is(town: Town, ada: Person) -> None:
    picture = await town.keep_upload(ada, jpeg())
    widths = [(await ask(ada, "/images/thumbnail", picture, width=width))["width"] for width in (100, 321, 4_000)]
    assert widths == [320, 1080, 1080]
    assert (await ask(ada, "/images/optimize", picture))["width"] == 640


async def test_a_picture_is_no_video(town: Town, ada: Person) -> None:
    picture = await town.keep_upload(ada, jpeg())
    answer = await ada.post("/videos/analyze", {"media_id": picture["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "media_not_ready")
