"""Processing of pictures and videos: type detected from the content, metadata removed, size reduced."""

from __future__ import annotations

import io

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neighborconnect.sandbox import UnreadableError
from tests.transactional_api.media import files
from transactional_api.core.media.processing import MediaKind, process, sniff

SAMPLES = {
    "image/jpeg": files.jpeg(),
    "image/png": files.png(),
    "image/gif": files.gif(),
    "video/mp4": files.video("mp4"),
    "video/webm": files.video("webm"),
}


@pytest.mark.parametrize(("content_type", "data"), SAMPLES.items(), ids=SAMPLES)
def test_the_content_says_what_a_file_is_and_cleaning_keeps_it(content_type: str, data: bytes) -> None:
    assert sniff(data).content_type == content_type
    done = process(data, content_type=content_type)
    assert sniff(done.data).content_type == content_type
    assert {sniff(small).content_type for small in done.thumbnails.values()} == {"image/webp"}


def test_a_picture_loses_what_it_says_of_its_maker() -> None:
    done = process(files.jpeg(), content_type="image/jpeg")
    assert not Image.open(io.BytesIO(done.data)).getexif()
    assert b"Ada" not in done.data
    assert b"Ada" not in process(files.gif(), content_type="image/gif").data


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_a_video_loses_its_place_and_keeps_its_pictures(container: str) -> None:
    data = files.video(container)
    assert b"40.6868" in data
    done = process(data, content_type=f"video/{container}")
    assert b"40.6868" not in done.data
    assert (done.width, done.height) == (64, 48)
    assert done.seconds == pytest.approx(1, abs=0.1)
    with av.open(io.BytesIO(done.data)) as clean:
        assert sum(1 for _ in clean.decode(video=0)) == 30


def test_a_picture_taken_sideways_stands_upright() -> None:
    done = process(files.jpeg(640, 480, sideways=True), content_type="image/jpeg")
    assert (done.width, done.height) == (480, 640)


def test_thumbnails_keep_the_shape_and_never_grow() -> None:
    done = process(files.jpeg(640, 480), content_type="image/jpeg")
    sizes = {width: Image.open(io.BytesIO(small)).size for width, small in done.thumbnails.items()}
    assert sizes == {320: (320, 240), 1080: (640, 480)}


def test_a_moving_picture_still_moves() -> None:
    done = process(files.gif(3), content_type="image/gif")
    assert getattr(Image.open(io.BytesIO(done.data)), "n_frames", 1) == 3


def test_a_small_file_of_a_huge_picture_is_refused() -> None:
    bomb = io.BytesIO()
    Image.new("1", (9_000, 9_000)).save(bomb, format="PNG")
    assert len(bomb.getvalue()) < 20_000
    with pytest.raises(UnreadableError, match="million pixels"):
        process(bomb.getvalue(), content_type="image/png")


@pytest.mark.parametrize("content_type", SAMPLES)
@settings(max_examples=25, derandomize=True, database=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_cleaned_and_never_more(content_type: str, data: st.DataObject) -> None:
    whole = SAMPLES[content_type]
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, len(whole)))
    noise = data.draw(st.binary(max_size=32))
    broken = whole[:begin] + noise + whole[end:]
    try:
        kind = sniff(broken)
        process(broken, content_type=kind.content_type)
    except UnreadableError:
        return
    assert kind.kind in MediaKind
