"""Analysis of videos, and their renditions: with progress, and resumed after an interruption."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from neighborconnect.contracts.vision import RenditionProgress
from tests.transactional_api.fake_vision_service import Vision, ask
from tests.transactional_api.media.files import jpeg, video
from tests.transactional_api.people import Person, Town
from transactional_api.community.media.renditions import bitrate_ladder


async def test_a_video_is_looked_at_and_written_for_every_screen(ada: Person, vision: Vision) -> None:
    clip = await vision.keep(ada, video())
    assert vision.paths() == ["/moderate", "/analyze", "/process"]
    assert (clip["progress"], [one["name"] for one in clip["renditions"]]) == (1.0, ["h264-144"])
    facts = await ask(ada, "/videos/analyze", clip)
    assert (facts["source"], facts["codec"], len(facts["shots"])) == ("model", "mpeg4", 1)
    assert (await ask(ada, "/videos/moderate", clip))["verdict"] == "allow"
    poster = await ask(ada, "/videos/extract-thumbnail", clip, width=48, height=48)
    assert (poster["position_seconds"], poster["sprite_url"]) == (0.4, None)


async def test_playlists_lead_to_the_files(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], vision: Vision
) -> None:
    clip = await vision.keep(ada, video())
    stranger = await town.create_user()
    for path in ("playlist.m3u8", "playlist/h264-144.m3u8"):
        assert (await ben.get(f"/media/{clip['id']}/{path}")).status_code == 404
    post = await ada.make_post(garden, media_ids=[clip["id"]])
    master = await ben.get(f"/media/{clip['id']}/playlist.m3u8")
    assert master.headers["content-type"].startswith("application/vnd.apple.mpegurl")
    assert 'BANDWIDTH=90000,RESOLUTION=64x144,CODECS="avc1.640028"\nplaylist/h264-144.m3u8' in master.text
    one = await ben.get(f"/media/{clip['id']}/playlist/h264-144.m3u8")
    assert one.text.count("X-Amz-Signature") == 2
    assert (await ben.get(f"/media/{clip['id']}/playlist/h264-9.m3u8")).status_code == 404
    assert (await stranger.get(f"/media/{clip['id']}/playlist.m3u8")).status_code == 200  # The connector is public.
    assert (await ada.delete(f"/posts/{post['id']}")).status_code == 204
    for path in ("playlist.m3u8", "playlist/h264-144.m3u8"):
        assert (await ben.get(f"/media/{clip['id']}/{path}")).status_code == 404


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
    vision.steps = [RenditionProgress(progress=1.0)]
    clip = await vision.keep(ada, video())
    assert clip["renditions"] == []
    assert clip["progress"] < 1.0


async def test_cancelling_hangs_up(ada: Person, vision: Vision) -> None:
    vision.steps = [RenditionProgress(progress=number / 200) for number in range(200)]
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
    vision.steps = [RenditionProgress(progress=1, rejection="It is longer than 10 minutes")]
    clip = await vision.keep(ada, video())
    assert (clip["state"], clip["progress"], clip["renditions"]) == ("ready", None, [])


def test_no_rendition_is_higher_than_the_video() -> None:
    assert list(bitrate_ladder(1_200)) == ["h264-240", "h264-480", "h264-720", "h264-1080", "av1-480"]
    assert list(bitrate_ladder(400)) == ["h264-240"]
    assert list(bitrate_ladder(171)) == ["h264-170"]
    assert list(bitrate_ladder(48)) == ["h264-144"]


async def test_a_picture_is_no_video(town: Town, ada: Person) -> None:
    picture = await town.keep_upload(ada, jpeg())
    answer = await ada.post("/videos/analyze", {"media_id": picture["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "media_not_ready")
