"""Pictures and videos: the models' answers where they are deployed, and an honest nothing where they are not."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from neighborconnect.contracts.vision import REFUSED, RenditionStep
from tests.transactional_api.media.files import jpeg, video
from tests.transactional_api.people import Person, Town
from tests.transactional_api.ranker import serving
from tests.transactional_api.test_moderation import cases, decide
from transactional_api.inference import InferenceClient
from transactional_api.jobs.worker import run_due
from transactional_api.media.renditions import wanted
from transactional_api.vision.service import MAX_COPIES

VERSION = {"model_version": "vision-2"}
FACE = {"left": 0.3, "top": 0.1, "width": 0.2, "height": 0.3, "score": 0.97}
COPY = {"width": 64, "height": 48, "bytes": 900, "content_type": "image/webp", "quality": 80, "ssim": 0.98}
BLUR = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"
SEEN = VERSION | {
    "labels": [{"label": "garden", "score": 0.8}],
    "classes": [{"label": "greenhouse", "score": 0.7}],
    "nsfw": 0.01,
    "verdict": "allow",
    "faces": 0,
    "sharpness": 90.0,
    "brightness": 0.5,
    "contrast": 0.2,
    "faults": [],
    "colours": [{"colour": "#2e8b57", "share": 1.0}],
    "perceptual_hash": "c3b1a59e1c6a7d02",
    "blur_hash": BLUR,
    "alt_text": "Picture, perhaps of a greenhouse",
}
FACTS = VERSION | {
    "seconds": 1.0,
    "width": 64,
    "height": 48,
    "frames_a_second": 30.0,
    "codec": "mpeg4",
    "audio_codec": None,
    "shots": [{"begin": 0.0, "end": 1.0, "motion": 0.1, "brightness": 0.5, "faces": 0}],
    "labels": [{"label": "garden", "score": 0.8}],
    "sounds": [],
}
VERDICT = VERSION | {"verdict": "allow", "nsfw": 0.1, "timeline": []}
RENDITION = {
    "width": 64,
    "height": 144,
    "seconds": 1.0,
    "bytes": 5,
    "codec": "h264",
    "codecs": "avc1.640028",
    "bandwidth": 90_000,
    "playlist": '#EXTM3U\n#EXT-X-MAP:URI="video.mp4",BYTERANGE="9@0"\nvideo.mp4\n#EXT-X-ENDLIST\n',
}


class Vision:
    """The vision services' part: they do what ``answers`` says, and remember what they were asked."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {
            "/optimize": COPY,
            "/thumbnail": COPY | VERSION | {"blur_hash": BLUR},
            "/extract-thumbnail": COPY | VERSION | {"blur_hash": BLUR, "second": 0.4},
            "/detect-faces": VERSION | {"faces": [FACE]},
            "/classify": SEEN,
            "/analyze": FACTS,
            "/moderate": VERDICT,
        }
        self.connections = -1
        self.hung_up = asyncio.Event()
        self.steps = [RenditionStep(share=0.5), RenditionStep.model_validate({"share": 1, "done": RENDITION})]
        self.breaks_off_after: int | None = None

    async def answer(self, request: Request) -> Response:
        asked = (await request.json())["request"]
        self.asked.append((request.url.path, asked))
        self.connections = self.town.app.state.engine.pool.checkedout()
        if asked.get("target"):
            async with httpx.AsyncClient(trust_env=False) as store:
                assert (await store.put(asked["target"], content=b"small")).status_code == 200
        answer = self.answers[request.url.path]
        if isinstance(answer, int):
            return JSONResponse([{"error": "It is damaged"}], answer)
        return JSONResponse(answer)

    async def process(self, request: Request) -> Response:
        asked = (await request.json())["request"]
        self.asked.append((request.url.path, asked))

        async def lines() -> AsyncIterator[str]:
            try:
                for number, step in enumerate(self.steps):
                    if number == self.breaks_off_after:
                        raise ConnectionError
                    yield step.model_dump_json() + "\n"
                    await asyncio.sleep(0.05)
            finally:
                self.hung_up.set()

        return StreamingResponse(lines())

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    async def work(self) -> None:
        """Do the work that is queued, with these services."""
        await run_due(self.resources)

    async def keep(self, person: Person, data: bytes) -> dict[str, Any]:
        answer = await person.upload(data)
        await self.work()
        return dict((await person.get(f"/media/{answer.json()['id']}")).json())


@pytest.fixture
async def vision(town: Town) -> AsyncIterator[Vision]:
    await town.run_jobs()
    found = Vision(town)
    routes = [Route("/process", found.process, methods=["POST"])]
    routes += [Route(path, found.answer, methods=["POST"]) for path in found.answers]
    async with serving(Starlette(routes=routes)) as url:
        resources = town.app.state.resources
        settings = resources.settings.model_copy(update={"image_url": url, "video_url": url})
        found.resources = dataclasses.replace(resources, settings=settings)
        client = InferenceClient(settings)
        before, town.app.state.inference = town.app.state.inference, client
        yield found
        town.app.state.inference = before
        await client.aclose()


async def ask(person: Person, path: str, upload: dict[str, Any], **more: Any) -> Any:
    answer = await person.post(path, {"media_id": upload["id"], **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_upload_is_looked_at_once_and_says_what_it_shows(ada: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    assert (picture["alt_text"], picture["blur_hash"]) == (SEEN["alt_text"], BLUR)
    assert picture["colours"] == ["#2e8b57"]
    assert vision.paths() == ["/classify"]
    assert "X-Amz-Signature" in vision.asked[0][1]["url"]
    seen = await ask(ada, "/images/classify", picture)
    assert (seen["path"], seen["labels"][0]["label"], seen["verdict"]) == ("model", "garden", "allow")
    assert vision.paths() == ["/classify"]


async def test_a_copy_is_made_once_and_goes_with_its_upload(town: Town, ada: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    small = await ask(ada, "/images/optimize", picture, format="avif", longest=64)
    assert (small["path"], small["width"], small["ssim"]) == ("model", 64, 0.98)
    assert await ask(ada, "/images/optimize", picture, format="avif", longest=64) == small | {"url": ANY_LINK}
    square = await ask(ada, "/images/thumbnail", picture, width=48, height=48)
    assert (square["blur_hash"], square["model_version"]) == (BLUR, "vision-2")
    assert vision.paths() == ["/classify", "/optimize", "/thumbnail"]
    async with httpx.AsyncClient(trust_env=False) as store:
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
    for number in range(MAX_COPIES):
        await ask(ada, "/images/optimize", picture, longest=100 + number)
    answer = await ada.post("/images/optimize", {"media_id": picture["id"], "longest": 99})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_copies")
    await ask(ada, "/images/optimize", picture, longest=100)


async def test_faces_are_found_and_hidden(ada: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    assert (await ask(ada, "/images/detect-faces", picture))["faces"] == [FACE]
    vision.answers["/detect-faces"] = VERSION | {"faces": [FACE], "written": COPY}
    hidden = await ask(ada, "/images/detect-faces", picture, hide="blur")
    assert hidden["hidden"]["url"].split("?")[0].endswith("faces-blur.jpg")


async def test_what_the_service_refuses_is_no_fault_of_the_service(ada: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    vision.answers["/optimize"] = int(REFUSED)
    for number in range(8):  # More than the breaker would bear.
        answer = await ask(ada, "/images/optimize", picture, longest=200 + number)
        assert (answer["path"], answer["reason_code"], answer["width"]) == ("rules", "refused", 640)


async def test_a_video_is_looked_at_and_written_for_every_screen(ada: Person, vision: Vision) -> None:
    clip = await vision.keep(ada, video())
    assert vision.paths() == ["/moderate", "/analyze", "/process"]
    assert (clip["progress"], [one["name"] for one in clip["renditions"]]) == (1.0, ["h264-144"])
    facts = await ask(ada, "/videos/analyze", clip)
    assert (facts["path"], facts["codec"], len(facts["shots"])) == ("model", "mpeg4", 1)
    assert (await ask(ada, "/videos/moderate", clip))["verdict"] == "allow"
    poster = await ask(ada, "/videos/extract-thumbnail", clip, width=48, height=48)
    assert (poster["second"], poster["sprite_url"]) == (0.4, None)


async def test_playlists_lead_to_the_files(ada: Person, ben: Person, vision: Vision) -> None:
    clip = await vision.keep(ada, video())
    master = await ben.get(f"/media/{clip['id']}/playlist.m3u8")
    assert master.headers["content-type"].startswith("application/vnd.apple.mpegurl")
    assert 'BANDWIDTH=90000,RESOLUTION=64x144,CODECS="avc1.640028"\nplaylist/h264-144.m3u8' in master.text
    one = await ben.get(f"/media/{clip['id']}/playlist/h264-144.m3u8")
    assert one.text.count("X-Amz-Signature") == 2
    assert (await ben.get(f"/media/{clip['id']}/playlist/h264-9.m3u8")).status_code == 404


async def test_what_was_broken_off_goes_on(ada: Person, vision: Vision) -> None:
    vision.breaks_off_after = 1
    clip = await vision.keep(ada, video())
    assert clip["renditions"] == []
    assert clip["progress"] == pytest.approx(0.5)
    vision.breaks_off_after = None
    again = await ask(ada, "/videos/process", clip)
    assert again["state"] == "ready"
    await vision.work()
    clip = (await ada.get(f"/media/{clip['id']}")).json()
    assert (clip["progress"], len(clip["renditions"])) == (1.0, 1)
    asked = vision.paths().count("/process")
    await ask(ada, "/videos/process", clip)
    await vision.work()
    assert vision.paths().count("/process") == asked


async def test_what_is_written_but_not_yet_told_is_not_whole(ada: Person, vision: Vision) -> None:
    vision.steps = [RenditionStep(share=1.0)]
    clip = await vision.keep(ada, video())
    assert clip["renditions"] == []
    assert clip["progress"] < 1.0


async def test_cancelling_hangs_up(ada: Person, vision: Vision) -> None:
    vision.steps = [RenditionStep(share=number / 200) for number in range(200)]
    upload = (await ada.upload(video())).json()
    working = asyncio.create_task(vision.work())
    while "/process" not in vision.paths():  # noqa: ASYNC110 (the service has no event for it)
        await asyncio.sleep(0.02)
    answer = await ada.delete(f"/videos/process/{upload['id']}")
    assert (answer.status_code, answer.json()["renditions"]) == (200, [])
    await asyncio.wait_for(vision.hung_up.wait(), 20)
    await asyncio.wait_for(working, 20)
    assert (await ada.get(f"/media/{upload['id']}")).json()["renditions"] == []


async def test_a_refused_video_is_let_be(ada: Person, vision: Vision) -> None:
    vision.steps = [RenditionStep(share=1, refused="It is longer than 10 minutes")]
    clip = await vision.keep(ada, video())
    assert (clip["state"], clip["progress"], clip["renditions"]) == ("ready", None, [])


def test_no_rendition_is_higher_than_the_video() -> None:
    assert list(wanted(1_200)) == ["h264-240", "h264-480", "h264-720", "h264-1080", "av1-480"]
    assert list(wanted(400)) == ["h264-240"]
    assert list(wanted(171)) == ["h264-170"]
    assert list(wanted(48)) == ["h264-144"]


@pytest.mark.parametrize("verdict", ["review", "block"])
async def test_a_moderator_sees_what_the_model_stops_at(
    ada: Person, ben: Person, mod: Person, vision: Vision, verdict: str
) -> None:
    vision.answers["/classify"] = SEEN | {"verdict": verdict, "nsfw": 0.9}
    picture = await vision.keep(ada, jpeg())
    seen = 200 if verdict == "review" else 404
    assert (await ben.get(f"/media/{picture['id']}")).status_code == seen
    assert (await ada.get(f"/media/{picture['id']}")).status_code == 200
    (case,) = [one for one in (await cases(mod)).values() if one["subject_id"] == picture["id"]]
    assert (case["subject_kind"], case["triage"]["categories"]) == ("upload", {"nsfw": 0.9})
    await decide(mod, case["id"], "keep")
    assert (await ben.get(f"/media/{picture['id']}")).status_code == 200
    await ada.post("/media/process", {"media_id": picture["id"]})
    await vision.work()
    assert picture["id"] not in {one["subject_id"] for one in (await cases(mod)).values()}


async def test_a_neighbour_reports_an_upload(ada: Person, ben: Person, mod: Person, vision: Vision) -> None:
    picture = await vision.keep(ada, jpeg())
    body = {"subject_kind": "upload", "subject_id": picture["id"], "reason": "privacy"}
    assert (await ben.post("/moderation/reports", body)).status_code == 201
    (case,) = [one for one in (await cases(mod)).values() if one["subject_id"] == picture["id"]]
    await decide(mod, case["id"], "hide")
    assert (await ben.get(f"/media/{picture['id']}")).status_code == 404
    assert (await ada.get(f"/media/{picture['id']}")).status_code == 200


async def test_without_models_nothing_is_claimed_and_a_person_is_asked(town: Town, ada: Person) -> None:
    picture, clip = await town.keep_upload(ada, jpeg()), await town.keep_upload(ada, video())
    faces = await ask(ada, "/images/detect-faces", picture)
    nothing = {"path": "rules", "reason_code": "not_deployed", "model_version": None}
    assert faces == nothing | {"faces": [], "hidden": None}
    assert (await ask(ada, "/videos/moderate", clip))["verdict"] == "review"
    facts = await ask(ada, "/videos/analyze", clip)
    assert facts["seconds"] == pytest.approx(1, abs=0.1)
    assert (facts["width"], facts["height"], facts["shots"]) == (64, 48, [])
    square = await ask(ada, "/images/thumbnail", picture, width=100, height=100)
    assert (square["path"], square["reason_code"], square["width"]) == ("rules", "not_deployed", 320)
    assert (picture["alt_text"], picture["progress"]) == (None, None)


async def test_a_copy_of_the_whole_is_as_wide_as_asked_or_the_widest_that_there_is(town: Town, ada: Person) -> None:
    picture = await town.keep_upload(ada, jpeg())
    widths = [(await ask(ada, "/images/thumbnail", picture, width=width))["width"] for width in (100, 321, 4_000)]
    assert widths == [320, 1080, 1080]
    assert (await ask(ada, "/images/optimize", picture))["width"] == 640


@pytest.mark.parametrize("more", [{"width": 8, "height": 100}, {"height": 8}, {"format": "gif"}, {"width": 5_000}])
async def test_what_is_no_size_is_refused(town: Town, ada: Person, more: dict[str, Any]) -> None:
    picture = await town.keep_upload(ada, jpeg())
    assert (await ada.post("/images/thumbnail", {"media_id": picture["id"], **more})).status_code == 422


async def test_a_picture_is_no_video(town: Town, ada: Person) -> None:
    picture = await town.keep_upload(ada, jpeg())
    answer = await ada.post("/videos/analyze", {"media_id": picture["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "media_not_ready")


async def test_what_waits_for_a_look_is_its_owners_alone_for_a_while(
    ada: Person, ben: Person, vision: Vision, town: Town
) -> None:
    vision.answers["/classify"] = 503
    picture = await vision.keep(ada, jpeg())
    assert (picture["state"], picture["held_until"] is not None) == ("ready", True)
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
    assert (await ada.get(f"/media/{picture['id']}")).json()["held_until"] is None
    assert (await ben.get(f"/media/{picture['id']}")).status_code == 200
    assert (await ben.get(f"/stories/{story.json()['id']}")).json()["media_url"] is not None


async def test_a_model_that_is_away_keeps_nobodys_pictures_for_good(ada: Person, ben: Person, vision: Vision) -> None:
    vision.resources = dataclasses.replace(
        vision.resources, settings=vision.resources.settings.model_copy(update={"media_look_minutes": 0})
    )
    vision.answers["/classify"] = 503
    picture = await vision.keep(ada, jpeg())
    assert picture["held_until"] is None
    assert (await ben.get(f"/media/{picture['id']}")).status_code == 200
