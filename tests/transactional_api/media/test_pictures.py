"""Analysis of pictures, and their copies: the models' answers, and an empty answer where no model answers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from neighborconnect.contracts.vision import REFUSED
from tests.transactional_api.fake_vision_service import BLUR, COPY, FACE, SEEN, VERSION, Vision, ask
from tests.transactional_api.media.files import jpeg, video
from tests.transactional_api.people import Person, Town
from transactional_api.intelligence.vision.service import MAX_RENDITIONS


async def test_an_upload_is_looked_at_once_and_says_what_it_shows(ada: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    assert (picture["alt_text"], picture["blur_hash"]) == (SEEN["alt_text"], BLUR)
    assert picture["colors"] == ["#2e8b57"]
    assert vision.paths() == ["/classify"]
    assert "X-Amz-Signature" in vision.asked[0][1]["url"]
    seen = await ask(ada, "/images/classify", picture)
    assert (seen["source"], seen["labels"][0]["label"], seen["verdict"]) == ("model", "garden", "allow")
    assert vision.paths() == ["/classify"]


async def test_a_copy_is_made_once_and_goes_with_its_upload(town: Town, ada: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    small = await ask(ada, "/images/optimize", picture, format="avif", max_edge=64)
    assert (small["source"], small["width"], small["ssim"]) == ("model", 64, 0.98)
    assert await ask(ada, "/images/optimize", picture, format="avif", max_edge=64) == small | {"url": ANY_LINK}
    square = await ask(ada, "/images/thumbnail", picture, width=48, height=48)
    assert (square["blur_hash"], square["model_version"]) == (BLUR, "vision-2")
    assert vision.paths() == ["/classify", "/optimize", "/thumbnail"]
    async with httpx.AsyncClient(trust_env=False, timeout=60) as store:
        assert (await store.get(square["url"])).content == b"small"
        assert (await ada.delete(f"/media/{picture['id']}")).status_code == 204
        assert (await store.get(square["url"])).status_code == 404


class _AnyLink(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and other.startswith("http")

    __hash__ = str.__hash__


ANY_LINK = _AnyLink()


async def test_no_connection_is_kept_while_a_service_works(ada: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    for path, more in (("optimize", {}), ("thumbnail", {"width": 48, "height": 48}), ("detect-faces", {})):
        await ask(ada, f"/images/{path}", picture, **more)
        assert vision.connections == 0


async def test_copies_come_to_an_end(ada: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    for number in range(MAX_RENDITIONS):
        await ask(ada, "/images/optimize", picture, max_edge=100 + number)
    answer = await ada.post("/images/optimize", {"media_id": picture["id"], "max_edge": 99})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_renditions")
    await ask(ada, "/images/optimize", picture, max_edge=100)


async def test_faces_are_found_and_hidden(ada: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    assert (await ask(ada, "/images/detect-faces", picture))["faces"] == [FACE]
    vision.answers["/detect-faces"] = VERSION | {"faces": [FACE], "anonymized": COPY}
    hidden = await ask(ada, "/images/detect-faces", picture, anonymization="blur")
    assert hidden["anonymized"]["url"].split("?")[0].endswith("faces-blur.jpg")


async def test_what_the_service_refuses_is_no_fault_of_the_service(ada: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    vision.answers["/optimize"] = int(REFUSED)
    for number in range(8):  # More than the breaker would bear.
        answer = await ask(ada, "/images/optimize", picture, max_edge=200 + number)
        assert (answer["source"], answer["reason_code"], answer["width"]) == ("rules", "refused", 640)


async def test_without_models_nothing_is_claimed_and_a_person_is_asked(town: Town, ada: Person) -> None:
    picture, clip = await town.keep_upload(ada, jpeg()), await town.keep_upload(ada, video())
    faces = await ask(ada, "/images/detect-faces", picture)
    nothing = {"source": "rules", "reason_code": "not_deployed", "model_version": None, "features_age_ms": None}
    assert faces == nothing | {"faces": [], "anonymized": None}
    assert (await ask(ada, "/videos/moderate", clip))["verdict"] == "review"
    facts = await ask(ada, "/videos/analyze", clip)
    assert facts["duration_seconds"] == pytest.approx(1, abs=0.1)
    assert (facts["width"], facts["height"], facts["shots"]) == (64, 48, [])
    square = await ask(ada, "/images/thumbnail", picture, width=100, height=100)
    assert (square["source"], square["reason_code"], square["width"]) == ("rules", "not_deployed", 320)
    assert (picture["alt_text"], picture["progress"]) == (None, None)


async def test_a_copy_has_the_requested_or_the_greatest_width(town: Town, ada: Person) -> None:
    picture = await town.keep_upload(ada, jpeg())
    widths = [(await ask(ada, "/images/thumbnail", picture, width=width))["width"] for width in (100, 321, 4_000)]
    assert widths == [320, 1080, 1080]
    assert (await ask(ada, "/images/optimize", picture))["width"] == 640


@pytest.mark.parametrize("more", [{"width": 8, "height": 100}, {"height": 8}, {"format": "gif"}, {"width": 5_000}])
async def test_what_is_no_size_is_refused(town: Town, ada: Person, more: dict[str, Any]) -> None:
    picture = await town.keep_upload(ada, jpeg())
    assert (await ada.post("/images/thumbnail", {"media_id": picture["id"], **more})).status_code == 422
