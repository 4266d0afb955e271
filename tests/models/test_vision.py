"""Vision: odd files are read or refused, faces are anonymized, crops show the subject, cuts are detected."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.vision import image_analysis
from models.vision.cropping import crop
from models.vision.data import PORTRAIT, ordinary_images, synthetic_clips
from models.vision.evaluate import QualityCheck, count_residual_faces
from models.vision.faces import FaceDetector, anonymize
from models.vision.images import Pixels, encode, optimize, pixels_of, read, ssim
from models.vision.networks import FACES, LABELS, MANIFEST, NSFW, SHOTS
from models.vision.policy import policy_text, read_policy
from models.vision.predictor import VisionModels
from models.vision.shots import ShotDetector
from models.vision.weights import assemble, fingerprint
from neighborconnect.contracts.content import Verdict
from neighborconnect.contracts.vision import AnonymizationMethod, PictureFormat
from neighborconnect.sandbox import UnreadableError
from tests.malicious_files import BAD_PICTURES, GOOD_PICTURES, jpeg, photograph


@pytest.fixture(scope="module")
def networks() -> dict[str, bytes]:
    return assemble()


@pytest.fixture(scope="module")
def pictures() -> dict[str, Pixels]:
    return ordinary_images()


@pytest.fixture(scope="module")
def faces(networks: dict[str, bytes]) -> FaceDetector:
    return FaceDetector(networks[FACES])


@pytest.fixture(scope="module")
def eyes(networks: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> VisionModels:
    folder = tmp_path_factory.mktemp("version")
    for name, data in networks.items():
        (folder / name).write_bytes(data)
    (folder / MANIFEST).write_text('{"policy": "[nsfw]\\nreview = 0.5\\nblock = 0.8"}', encoding="utf-8")
    return VisionModels(folder, model_version="v1")


@pytest.mark.parametrize("name", GOOD_PICTURES)
def test_odd_pictures_are_read(name: str) -> None:
    image = read(GOOD_PICTURES[name]())
    assert image.mode in {"RGB", "RGBA"}
    assert not image.info
    assert not image.getexif()
    assert pixels_of(image).shape == (*image.size[::-1], 3)


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_what_is_no_picture_is_refused_in_words(name: str) -> None:
    with pytest.raises(UnreadableError, match=r"^It "):
        read(BAD_PICTURES[name]())


def test_a_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read(jpeg(320, 240, exif=exif)).size == (240, 320)


def test_a_hundred_megapixels_of_jpeg_are_read_small() -> None:
    data = io.BytesIO()
    Image.new("RGB", (10_000, 10_000), "seagreen").save(data, format="JPEG", quality=50)
    image = read(data.getvalue(), max_edge=1_000)
    assert image.size == (1_000, 1_000)
    assert abs(int(pixels_of(image)[500, 500, 1]) - 139) < 4


def test_sixteen_bits_keep_their_tones() -> None:
    values = pixels_of(read(GOOD_PICTURES["sixteen bits"]()))[:, 0, 0].astype(int)
    assert values[0] == 0
    assert values[-1] > 250
    assert (np.diff(values) >= 0).all()


@pytest.mark.parametrize("as_format", list(PictureFormat))
def test_a_picture_gets_small_and_looks_the_same(as_format: PictureFormat, pictures: dict[str, Pixels]) -> None:
    image = Image.fromarray(pictures["coffee.png"])
    made = optimize(image, as_format=as_format, max_edge=400)
    assert (made.width, made.height) == (400, 267)
    assert made.ssim is not None
    assert made.ssim >= 0.95
    assert len(made.data) < 400 * 267
    again = Image.open(io.BytesIO(made.data))
    assert again.size == (400, 267)
    assert not again.getexif()


def test_nothing_is_enlarged() -> None:
    assert optimize(Image.fromarray(photograph(50, 40)), as_format=PictureFormat.WEBP).width == 50


def test_likeness_is_one_for_the_same_and_falls_with_noise(pictures: dict[str, Pixels]) -> None:
    cup = pictures["coffee.png"]
    as_it_is = encode(Image.fromarray(cup), as_format=PictureFormat.JPEG, quality=98)
    assert ssim(Image.fromarray(cup), as_it_is) > 0.98
    noisy = cup.astype(int) + np.random.default_rng(1).integers(-60, 60, cup.shape)
    assert ssim(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), as_it_is) < 0.7


def test_a_face_is_found_where_it_is(faces: FaceDetector, pictures: dict[str, Pixels]) -> None:
    ((left, top, right, bottom, score),) = faces.find(pictures[PORTRAIT])
    assert score > 0.5
    assert left < 225 < right
    assert top < 115 < bottom


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "rocket.jpg", "china.jpg"])
def test_no_face_is_found_where_there_is_none(faces: FaceDetector, pictures: dict[str, Pixels], name: str) -> None:
    assert len(faces.find(pictures[name])) == 0


@pytest.mark.parametrize("method", list(AnonymizationMethod))
def test_a_hidden_face_is_not_found_again(
    faces: FaceDetector, pictures: dict[str, Pixels], method: AnonymizationMethod
) -> None:
    hidden, places = anonymize(faces, pictures[PORTRAIT], method=method)
    assert places == 1
    assert count_residual_faces(faces, hidden) == 0
    untouched = (hidden == pictures[PORTRAIT]).all(axis=-1)
    assert untouched.mean() > 0.8
    assert not untouched[115, 225]


def test_a_face_at_the_edge_is_hidden_too(faces: FaceDetector, pictures: dict[str, Pixels]) -> None:
    half = np.ascontiguousarray(pictures[PORTRAIT][60:400, 190:500])
    assert count_residual_faces(faces, anonymize(faces, half, method=AnonymizationMethod.BLUR)[0]) == 0


@pytest.mark.parametrize(("width", "height"), [(320, 320), (100, 400), (600, 200), (1, 1)])
def test_a_crop_keeps_the_face(faces: FaceDetector, pictures: dict[str, Pixels], width: int, height: int) -> None:
    pixels = pictures[PORTRAIT]
    found = faces.find(pixels)
    left, top, right, bottom = crop(pixels, found, width=width, height=height)
    assert 0 <= left < right <= pixels.shape[1]
    assert 0 <= top < bottom <= pixels.shape[0]
    assert (right - left) / (bottom - top) == pytest.approx(width / height, rel=0.02)
    middle = (found[0, 0] + found[0, 2]) / 2, (found[0, 1] + found[0, 3]) / 2
    assert left < middle[0] < right
    assert top < middle[1] < bottom


def test_a_crop_follows_what_stands_out() -> None:
    pixels = np.full((200, 800, 3), 128, dtype=np.uint8)
    pixels[60:140, 620:700] = photograph(80, 80)
    left, _, right, _ = crop(pixels, np.zeros((0, 5), dtype=np.float32), width=200, height=200)
    assert left <= 620
    assert right >= 700


def test_what_is_seen_in_a_cat(eyes: VisionModels, pictures: dict[str, Pixels]) -> None:
    seen = eyes.analyze(pictures["chelsea.png"])
    assert seen.labels[0][0] == "cats"
    assert "cat" in seen.alt_text
    assert seen.nsfw < 0.1
    assert seen.face_count == 0
    assert seen.quality.quality_issues == ()
    assert len(seen.blur_hash) == 28
    assert sum(share for _, share in seen.colors) == pytest.approx(1, abs=0.01)


def test_a_person_is_in_the_sentence(eyes: VisionModels, pictures: dict[str, Pixels]) -> None:
    assert "a person" in eyes.analyze(pictures[PORTRAIT]).alt_text


def test_a_picture_of_nothing_says_nothing(eyes: VisionModels) -> None:
    seen = eyes.analyze(np.full((2, 2, 3), 250, dtype=np.uint8))
    assert seen.face_count == 0
    assert {"overexposed", "flat", "blurred"} <= set(seen.quality.quality_issues)
    assert seen.colors == [("#fafafa", 1.0)]


def test_pictures_that_look_the_same_have_near_hashes(pictures: dict[str, Pixels]) -> None:
    def bits(pixels: Pixels) -> int:
        return int(image_analysis.perceptual_hash(pixels), 16)

    cat = Image.fromarray(pictures["chelsea.png"])
    smaller = pixels_of(read(encode(cat.resize((200, 133)), as_format=PictureFormat.JPEG, quality=40)))
    same, other = (
        bits(pictures["chelsea.png"]) ^ bits(smaller),
        bits(pictures["chelsea.png"]) ^ bits(pictures["coffee.png"]),
    )
    assert same.bit_count() <= 6
    assert other.bit_count() >= 18


def test_cuts_are_found_at_the_very_picture(networks: dict[str, bytes], pictures: dict[str, Pixels]) -> None:
    detector = ShotDetector(networks[SHOTS])
    for clip in synthetic_clips(pictures, seed=7)[:2]:
        assert detector.cuts(clip.frames) == clip.cuts


def test_a_shot_has_no_cut(networks: dict[str, bytes], pictures: dict[str, Pixels]) -> None:
    clip = synthetic_clips(pictures, seed=7)[0]
    detector = ShotDetector(networks[SHOTS])
    assert detector.cuts(clip.frames[: clip.cuts[0]]) == []
    assert detector.cuts(clip.frames[:1]) == []
    assert detector.cuts(clip.frames[:0]) == []


def test_the_networks_are_the_same_each_time(networks: dict[str, bytes]) -> None:
    assert set(networks) == {FACES, NSFW, LABELS, SHOTS}
    assert fingerprint(networks) == fingerprint(assemble())


def test_the_policy_sorts_by_score() -> None:
    policy = read_policy(policy_text())
    verdicts = [policy.verdict(score) for score in (0.0, policy.review, policy.block, 1.0)]
    assert verdicts == [Verdict.ALLOW, Verdict.REVIEW, Verdict.BLOCK, Verdict.BLOCK]


@pytest.mark.parametrize(
    "text", ["", "[nsfw]\nreview = 0.5", "[nsfw]\nreview = 0.9\nblock = 0.5", "[nsfw]\nreview = 0\nblock = 0.5"]
)
def test_a_policy_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="vision policy"):
        read_policy(text)


def test_a_failed_quality_check_has_a_reason_for_every_condition() -> None:
    good = QualityCheck(0.9, 0, 0.0, 0.0, 0.2, cuts=10, missed_cuts=0, false_cuts=0, false_cut_rate=0.0)
    assert good.failures == ()
    bad = QualityCheck(0.5, 3, 0.1, 0.2, 0.9, cuts=10, missed_cuts=4, false_cuts=1, false_cut_rate=0.1)
    assert len(bad.failures) == 5


def test_the_labels_name_classes_that_there_are() -> None:
    assert all(0 <= number < 1_000 for numbers in image_analysis._labels().values() for number in numbers)
    assert len((Path(image_analysis.__file__).parent / "classes.txt").read_text(encoding="utf-8").splitlines()) == 1_000
