"""The video service as a real process: renditions with progress, posters, what a video shows, and malicious files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from bentos.video import analysis
from bentos.video.transcoding import transcode
from models.tracking import RunResult
from models.vision.shots import Frames, ShotDetector
from neighborconnect.contracts.vision import REFUSED, VideoCodec
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings
from tests.bentos.conftest import Files
from tests.bentos.reloading import reload_champion
from tests.bentos.test_image import ask
from tests.malicious_files import BAD_PICTURES, clip, endless, song


@pytest.fixture(scope="module")
def bento(run: Callable[..., None], settings: Settings, vision: RunResult) -> Iterator[httpx.Client]:
    run("mlflow", "bento-video")
    assert settings.video_url is not None
    with httpx.Client(
        base_url=settings.video_url, headers=bearer(settings.platform_token), timeout=120, trust_env=False
    ) as client:
        assert reload_champion(client) == {"vision": vision.model_version}
        yield client


@pytest.fixture(scope="module")
def two_shots(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return clip(path, (40, 35), size=(320, 240), sound="chord").read_bytes()


def follow(bento: httpx.Client, url: str, target: str, **more: Any) -> list[dict[str, Any]]:
    with bento.stream(
        "POST", "/process", json={"request": {"media_id": "m", "url": url, "target": target, **more}}
    ) as got:
        assert got.status_code == 200, got.read()
        return [json.loads(line) for line in got.iter_lines() if line]


@pytest.mark.parametrize("codec", list(VideoCodec))
def test_a_rendition_is_written_and_progress_told(
    bento: httpx.Client, files: Files, two_shots: bytes, codec: VideoCodec
) -> None:
    target, read = files.target()
    steps = follow(bento, files.put(two_shots), target, height=144, codec=codec, uri="there.mp4")
    shares = [step["progress"] for step in steps]
    assert shares == sorted(shares)
    done = steps[-1]["rendition"]
    assert (done["width"], done["height"], done["codec"]) == (192, 144, codec)
    assert done["seconds"] == pytest.approx(3, abs=0.1)
    assert '#EXT-X-MAP:URI="there.mp4"' in done["playlist"]
    data = read()
    assert len(data) == done["bytes"]
    with av.open(io.BytesIO(data)) as made:
        assert made.streams.video[0].codec_context.name == {"h264": "h264", "av1": "libdav1d"}[codec]
        assert made.streams.audio[0].codec_context.name == "aac"
        begins = [float((one.start_time or 0) * (one.time_base or 0)) for one in made.streams]
        assert abs(begins[0] - begins[1]) < 0.03
        assert sum(1 for _ in made.decode(video=0)) == 75


def test_the_best_moment_and_a_sheet(bento: httpx.Client, files: Files, two_shots: bytes) -> None:
    (target, read), (sprite, sheet) = files.target(), files.target()
    asked = {"target": target, "sprite": sprite, "width": 100, "height": 100}
    answer = ask(bento, "/extract-thumbnail", files.put(two_shots), **asked).json()
    assert Image.open(io.BytesIO(read())).size == (100, 100)
    assert 0 <= answer["second"] <= 3
    tiles = answer["sprite"]
    assert Image.open(io.BytesIO(sheet())).size == (tiles["columns"] * tiles["width"], tiles["rows"] * tiles["height"])


def test_what_a_video_shows(bento: httpx.Client, files: Files, two_shots: bytes) -> None:
    answer = ask(bento, "/analyze", files.put(two_shots)).json()
    assert (answer["width"], answer["height"], answer["codec"], answer["audio_codec"]) == (320, 240, "h264", "aac")
    assert [(shot["begin"], shot["end"]) for shot in answer["shots"]] == [(0.0, 1.6), (1.6, 3.0)]
    assert [segment["kind"] for segment in answer["audio_segments"]] == ["music"]


def test_a_cut_of_a_long_video_is_found_at_the_very_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Every(ShotDetector):
        def __init__(self) -> None:
            self.seen = 0

        def cuts(self, frames: Frames) -> list[int]:
            self.seen = len(frames)
            return [14]  # The first of every third that is of the second shot.

    monkeypatch.setattr(analysis, "_MAX_NETWORK_FRAMES", 25)
    detector = Every()
    shots = analysis.scan(clip(tmp_path / "clip.mp4", (40, 35)), detector).shots
    assert detector.seen == 25
    assert [(shot.begin, shot.end) for shot in shots] == [(0.0, 1.6), (1.6, 3.0)]


def test_what_moderation_would_do(bento: httpx.Client, files: Files, two_shots: bytes) -> None:
    answer = ask(bento, "/moderate", files.put(two_shots)).json()
    assert (answer["verdict"], answer["timeline"]) == ("allow", [])


@pytest.mark.parametrize("sound", ["words", "silence", None])
def test_what_is_to_be_heard(bento: httpx.Client, files: Files, tmp_path: Path, sound: str | None) -> None:
    data = clip(tmp_path / "clip.mp4", (100,), sound=sound).read_bytes()
    said = {one["kind"] for one in ask(bento, "/analyze", files.put(data)).json()["audio_segments"]}
    assert said == {"words": {"speech"}, "silence": {"silence"}, None: set()}[sound]


def test_pictures_keep_their_times(bento: httpx.Client, files: Files, tmp_path: Path) -> None:
    target, read = files.target()
    data = clip(tmp_path / "clip.mp4", (40,), gaps=(1, 3, 2, 6)).read_bytes()
    done = follow(bento, files.put(data), target, height=144)[-1]["rendition"]
    with av.open(io.BytesIO(data)) as before, av.open(io.BytesIO(read())) as after:
        times = [[frame.time for frame in one.decode(video=0)] for one in (before, after)]
    # Fragments begin a little later than at nothing, sounds and pictures alike; how long the last picture of one is
    # shown, the muxer guesses from those before.
    off = [abs(now - times[1][0] - was) for was, now in zip(*times, strict=True)]
    assert sum(one > 0.002 for one in off) <= 1
    assert max(off) < 0.25
    assert done["seconds"] == pytest.approx(times[0][-1], abs=0.3)


def test_webm_is_taken_too(bento: httpx.Client, files: Files, tmp_path: Path) -> None:
    data = clip(tmp_path / "clip.webm", (30,), container="webm", codec="libvpx", sound="words").read_bytes()
    target, _ = files.target()
    assert follow(bento, files.put(data), target, height=144)[-1]["rendition"]["codecs"] == "avc1.640028,mp4a.40.2"
    assert ask(bento, "/analyze", files.put(data)).json()["codec"] == "vp8"


@pytest.mark.parametrize("name", ["text", "cut off", "only a head", "bomb"])
def test_what_is_no_video_is_refused(bento: httpx.Client, files: Files, name: str) -> None:
    link, (target, _) = files.put(BAD_PICTURES[name]()), files.target()
    for path in ("/analyze", "/moderate"):
        assert ask(bento, path, link).status_code == REFUSED
    assert follow(bento, link, target, height=240)[-1]["rejection"].startswith("It ")


def test_sounds_alone_are_refused(bento: httpx.Client, files: Files, tmp_path: Path) -> None:
    answer = ask(bento, "/analyze", files.put(song(tmp_path / "song.mp4").read_bytes()))
    assert (answer.status_code, answer.json()[0]["error"]) == (REFUSED, "It has no video stream")


def test_an_hour_is_refused(bento: httpx.Client, files: Files, tmp_path: Path) -> None:
    answer = ask(bento, "/analyze", files.put(endless(tmp_path / "long.mp4").read_bytes()))
    assert (answer.status_code, answer.json()[0]["error"]) == (REFUSED, "It is longer than 10 minutes")


def test_a_cut_off_video_is_seen_or_refused(bento: httpx.Client, files: Files, two_shots: bytes) -> None:
    for share in (0.2, 0.5, 0.9):
        link = files.put(two_shots[: int(len(two_shots) * share)])
        assert ask(bento, "/analyze", link).status_code in {200, REFUSED}


def test_a_status_does_not_wait_and_a_hangup_frees_the_slot(
    bento: httpx.Client, files: Files, tmp_path: Path, two_shots: bytes
) -> None:
    long = files.put(clip(tmp_path / "long.mp4", (1_000,), size=(1_280, 720)).read_bytes())
    target, _ = files.target()
    asked = {"request": {"media_id": "m", "url": long, "target": target, "height": 720, "codec": "av1"}}
    with bento.stream("POST", "/process", json=asked) as got:
        next(got.iter_lines())
        assert ask(bento, "/moderate", files.put(two_shots)).status_code == 200
    assert follow(bento, files.put(two_shots), files.target()[0], height=144)[-1]["rendition"]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_video_stands_upright(tmp_path: Path, rotation: int) -> None:
    plain, turned = clip(tmp_path / "plain.mp4", (10,)), tmp_path / "turned.mp4"
    # The matrix of the track header, which a phone writes instead of turning pictures.
    matrix = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[rotation]
    data = bytearray(plain.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    for place, value in zip((0, 4, 12, 16), matrix, strict=True):
        data[at + place : at + place + 4] = (value * 65_536).to_bytes(4, "big", signed=True)
    turned.write_bytes(data)
    folder = tmp_path / "out"
    folder.mkdir()
    made = transcode(turned, folder, height=160, codec=VideoCodec.H264, uri="v.mp4", on_progress=lambda _share: None)
    assert (made.width, made.height) == ((120, 160) if rotation != 180 else (160, 120))
    with av.open(str(plain)) as before, av.open(str(folder / "video.mp4")) as after:
        was, now = (next(one.decode(video=0)).to_image().convert("L") for one in (before, after))
    back = now.rotate(rotation, expand=True)
    difference = [abs(a - b) for a, b in zip(was.getdata(), back.getdata(), strict=True)]
    assert sum(difference) / len(difference) < 12
