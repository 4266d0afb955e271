"""The API and the image and video services read one upload alike: kind, size, orientation, colors; and no metadata."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from bentos.image import tasks as image_service
from bentos.video import analysis as video_service
from neighborconnect.contracts.vision import PictureFormat
from neighborconnect.file_types import content_type_of, refused_format
from neighborconnect.pictures import read_animation, read_picture
from neighborconnect.sandbox import UnreadableError
from tests.media_samples import SAMPLES, SECRETS, Sample
from transactional_api.core.media.processing import MediaKind, Processed, process, sniff

_TOLERANCE = 12
"""Of a color channel, for what lossy formats do to it."""


def colors(image: Image.Image) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return the colors of the middle of both halves."""
    flat = image.convert("RGB")
    left, right = (flat.getpixel((round(image.width * part), image.height // 2)) for part in (0.25, 0.75))
    return left, right  # type: ignore[return-value]


def assert_shown(sample: Sample, image: Image.Image, *, scaled: bool = False) -> None:
    if not scaled:
        assert image.size == sample.size
    for found, wanted in zip(colors(image), (sample.left, sample.right), strict=True):
        assert np.abs(np.subtract(found, wanted)).max() <= _TOLERANCE


def video_still(data: bytes, folder: Path) -> Image.Image:
    path = folder / "upload"
    path.write_bytes(data)
    return Image.fromarray(video_service.candidate_frames(path)[0].pixels)


@pytest.mark.parametrize("name", SAMPLES)
def test_all_readers_show_an_upload_alike(name: str, tmp_path: Path) -> None:
    sample, data = SAMPLES[name], SAMPLES[name].write()
    sniffed = sniff(data)
    assert sniffed.content_type == sample.content_type
    assert sniffed.kind is (MediaKind.VIDEO if sample.is_video else MediaKind.IMAGE)
    done = process(data, content_type=sniffed.content_type)
    assert (done.width, done.height) == sample.size
    assert done.content_type == content_type_of(done.data) == (sample.written_as or sample.content_type)
    assert not [secret for secret in SECRETS if secret in done.data]
    for small in done.thumbnails.values():
        assert_shown(sample, Image.open(io.BytesIO(small)), scaled=True)
    for each in (data, done.data):
        if sample.is_video:
            assert_shown(sample, video_still(each, tmp_path))
            with pytest.raises(UnreadableError):
                image_service.optimize(each, as_format=PictureFormat.WEBP, max_edge=4_096, quality=95)
        else:
            answer, copy = image_service.optimize(each, as_format=PictureFormat.WEBP, max_edge=4_096, quality=95)
            assert (answer.width, answer.height) == sample.size
            assert_shown(sample, Image.open(io.BytesIO(copy)))
            with pytest.raises(UnreadableError, match="neither MP4 nor WebM"):
                video_still(each, tmp_path)
    if not sample.is_video:
        check_picture(sample, done)


def check_picture(sample: Sample, done: Processed) -> None:
    written = Image.open(io.BytesIO(done.data))
    assert_shown(sample, written)
    assert getattr(written, "n_frames", 1) == sample.frames
    written.load()
    assert not {"exif", "xmp", "icc_profile", "comment", "photoshop"} & set(written.info)
    assert not getattr(written, "text", {})


BRANDS = {
    "image/avif": [b"avif", b"avis", b"mif1 avif", b"msf1 avis"],
    "image/heic": [b"heic", b"heix", b"hevc", b"mif1 heic", b"msf1 hevc", b"mif1"],
    "video/mp4": [b"isom", b"mp42 isom", b"qt  ", b"M4V ", b"3gp5", b"avc1", b"dash", b"iso6 mif1"],
}
REFUSED = {
    b"crx ": "Canon CR3",
    b"M4A ": "MPEG-4 audio",
    b"mif1 avci": "HEIF with H.264",
}


def ftyp(brands: bytes) -> bytes:
    major, compatible = brands[:4], b"".join(brand.ljust(4) for brand in brands[4:].split())
    body = b"ftyp" + major + bytes(4) + compatible
    return (len(body) + 4).to_bytes(4, "big") + body + b"\0\0\0\x08avif"


@pytest.mark.parametrize(
    ("content_type", "brands"), [(name, brands) for name, all_of in BRANDS.items() for brands in all_of]
)
def test_the_brands_of_a_file_say_what_it_is(content_type: str, brands: bytes) -> None:
    assert content_type_of(ftyp(brands)) == content_type


@pytest.mark.parametrize(("brands", "name"), REFUSED.items())
def test_a_known_format_that_is_not_supported_is_named(brands: bytes, name: str) -> None:
    assert content_type_of(ftyp(brands)) is None
    assert refused_format(ftyp(brands)) == name
    with pytest.raises(UnreadableError, match=name):
        sniff(ftyp(brands))


def test_formats_without_brands_that_are_not_supported_are_named() -> None:
    for data, name in (
        (b"II*\0", "TIFF"),
        (b"BM\0\0", "BMP"),
        (b"<?xml?><svg ", "SVG"),
        (b"\0\0\0\x0cJXL ", "JPEG XL"),
    ):
        with pytest.raises(UnreadableError, match=name):
            sniff(data + bytes(100))


def test_an_animation_is_written_with_its_times_and_its_frames() -> None:
    for name in ("gif animation", "png animation", "webp animation", "avif animation"):
        sample = SAMPLES[name]
        written = Image.open(io.BytesIO(process(sample.write(), content_type=sample.content_type).data))
        shown = []
        for number in range(sample.frames):
            written.seek(number)
            written.load()
            assert written.info["duration"] == 100
            shown.append(colors(written))
        for (left, right), (first, second) in zip(shown, [("r", "b"), ("g", "b"), ("r", "g")], strict=True):
            assert ("rgb"[int(np.argmax(left))], "rgb"[int(np.argmax(right))]) == (first, second)


def test_a_transparent_animation_shows_no_frame_through_another() -> None:
    frames = []
    for place in (0, 20, 40):
        frame = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
        frame.paste((255, 0, 0, 255), (place, 0, place + 20, 40))
        frames.append(frame)
    for name in ("GIF", "PNG", "WEBP"):
        data = io.BytesIO()
        frames[0].save(data, name, save_all=True, append_images=frames[1:], duration=100, disposal=2)
        done = process(data.getvalue(), content_type=f"image/{name.lower()}")
        written = read_animation(done.data)
        assert written is not None
        for number, frame in enumerate(written.frames):
            opaque = [frame.getchannel("A").getpixel((10 + 20 * place, 20)) > 127 for place in range(3)]  # type: ignore[operator]
            assert opaque == [place == number for place in range(3)], name
        assert read_picture(done.data).mode == "RGBA"


def test_a_video_is_given_on_with_the_streams_that_are_moderated(tmp_path: Path) -> None:
    data, first = io.BytesIO(), SAMPLES["mp4"].write()
    with (
        av.open(io.BytesIO(first)) as one,
        av.open(io.BytesIO(first)) as other,
        av.open(data, "w", format="mp4") as target,
    ):
        copies = [target.add_stream_from_template(each.streams.video[0], opaque=True) for each in (one, other)]
        for each, copy in zip((one, other), copies, strict=True):
            for packet in each.demux(video=0):
                if packet.dts is not None:
                    packet.stream = copy
                    target.mux(packet)
    done = process(data.getvalue(), content_type="video/mp4")
    with av.open(io.BytesIO(done.data)) as clean:
        assert len(clean.streams) == 1


def test_a_large_photograph_of_a_phone_is_taken_smaller() -> None:
    data = io.BytesIO()
    Image.new("RGB", (12_000, 9_000), "seagreen").save(data, format="JPEG", quality=50)
    done = process(data.getvalue(), content_type="image/jpeg")
    assert done.width * done.height <= 50_000_000
    assert done.width * 3 == done.height * 4
