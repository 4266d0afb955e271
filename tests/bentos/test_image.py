"""The image service as a real process: files go by links, malicious ones are refused, a dying worker is replaced."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from PIL import Image

from models.registry import fetch_artifact
from models.tracking import RunResult
from models.vision.data import PORTRAIT, ordinary_images
from models.vision.images import encode
from models.vision.train import train
from neighborconnect.contracts.vision import REFUSED, PictureFormat
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings
from tests.bentos.conftest import Files
from tests.bentos.reloading import reload_champion
from tests.malicious_files import BAD_PICTURES, GOOD_PICTURES, jpeg


@pytest.fixture(scope="module")
def bento(run: Callable[..., None], settings: Settings, vision: RunResult) -> Iterator[httpx.Client]:
    run("mlflow", "bento-image")
    assert settings.image_url is not None
    with httpx.Client(
        base_url=settings.image_url, headers=bearer(settings.platform_token), timeout=60, trust_env=False
    ) as client:
        assert reload_champion(client) == {"vision": vision.model_version}
        yield client


@pytest.fixture(scope="module")
def portrait() -> bytes:
    return encode(Image.fromarray(ordinary_images()[PORTRAIT]), as_format=PictureFormat.JPEG, quality=95)


def ask(bento: httpx.Client, path: str, url: str, **more: Any) -> httpx.Response:
    return bento.post(path, json={"request": {"media_id": "m", "url": url, **more}})


@pytest.mark.parametrize("as_format", list(PictureFormat))
def test_a_picture_is_written_small(bento: httpx.Client, files: Files, portrait: bytes, as_format: str) -> None:
    target, read = files.target()
    answer = ask(bento, "/optimize", files.put(portrait), target=target, format=as_format, max_edge=256).json()
    assert (answer["width"], answer["height"], answer["content_type"]) == (256, 256, f"image/{as_format}")
    assert answer["ssim"] > 0.95
    made = read()
    assert answer["bytes"] == len(made)
    assert Image.open(io.BytesIO(made)).format == as_format.upper()


def test_a_thumbnail_shows_the_face(bento: httpx.Client, files: Files, portrait: bytes, vision: RunResult) -> None:
    target, read = files.target()
    asked = {"target": target, "format": "jpeg", "width": 400, "height": 160}
    answer = ask(bento, "/thumbnail", files.put(portrait), **asked).json()
    assert (answer["width"], answer["height"], answer["model_version"]) == (400, 160, vision.model_version)
    assert len(answer["blur_hash"]) == 28
    assert len(ask(bento, "/detect-faces", files.put(read())).json()["faces"]) == 1


def test_faces_are_found_and_hidden(bento: httpx.Client, files: Files, portrait: bytes, vision: RunResult) -> None:
    target, read = files.target()
    answer = ask(bento, "/detect-faces", files.put(portrait), anonymization="blur", target=target).json()
    (face,) = answer["faces"]
    assert face["left"] < 0.44 < face["left"] + face["width"]
    assert answer["model_version"] == vision.model_version
    assert (answer["anonymized"]["width"], answer["anonymized"]["height"]) == (512, 512)
    assert ask(bento, "/detect-faces", files.put(read())).json()["faces"] == []


def test_what_is_to_be_seen(bento: httpx.Client, files: Files, portrait: bytes) -> None:
    answer = ask(bento, "/classify", files.put(portrait)).json()
    assert (answer["verdict"], answer["face_count"]) == ("allow", 1)
    assert "a person" in answer["alt_text"]


@pytest.mark.parametrize("name", GOOD_PICTURES)
def test_odd_pictures_are_seen(bento: httpx.Client, files: Files, name: str) -> None:
    link, (target, _) = files.put(GOOD_PICTURES[name]()), files.target()
    assert ask(bento, "/classify", link).status_code == 200
    assert ask(bento, "/thumbnail", link, target=target, width=32, height=32).status_code == 200
    assert ask(bento, "/detect-faces", link, anonymization="pixelate", target=target).status_code == 200


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_what_is_no_picture_is_refused(bento: httpx.Client, files: Files, name: str) -> None:
    data = BAD_PICTURES[name]()
    answer = ask(bento, "/classify", files.put(data))
    assert answer.status_code == REFUSED, answer.text
    assert answer.json()[0]["error"].startswith("It ")


def test_links_to_elsewhere_are_not_followed(bento: httpx.Client, settings: Settings) -> None:
    for url in ("http://169.254.169.254/latest", settings.mlflow_tracking_uri, "file:///etc/passwd", "x"):
        assert ask(bento, "/classify", url).status_code == 400


def test_a_link_that_is_no_longer_good_is_refused(bento: httpx.Client, files: Files) -> None:
    assert ask(bento, "/classify", files.put(jpeg()).replace("Signature=", "Signature=0")).status_code == REFUSED


@pytest.mark.parametrize("more", [{"max_edge": 0}, {"max_edge": 9_999}, {"format": "gif"}, {"quality": 101}])
def test_what_is_no_question_is_refused(bento: httpx.Client, files: Files, more: dict[str, Any]) -> None:
    target, _ = files.target()
    assert ask(bento, "/optimize", files.put(jpeg()), target=target, **more).status_code == 400


def test_a_field_of_a_newer_api_is_ignored(bento: httpx.Client, files: Files) -> None:
    target, _ = files.target()
    assert ask(bento, "/optimize", files.put(jpeg()), target=target, added_later=1).status_code == 200


def test_a_worker_that_is_killed_is_replaced(bento: httpx.Client, files: Files, settings: Settings) -> None:
    link = files.put(jpeg())
    assert ask(bento, "/classify", link).status_code == 200
    port = urlsplit(settings.image_url or "").port
    (service,) = {
        one.pid
        for one in psutil.process_iter(["cmdline"])
        if "bentos.image" in (one.info["cmdline"] or []) and one.net_connections() and _listens(one, port)
    }
    workers = [one for one in psutil.Process(service).children() if "spawn_main" in " ".join(one.cmdline())]
    assert workers
    for worker in workers:
        worker.kill()
    answers = [ask(bento, "/classify", link).status_code for _ in range(3)]
    assert answers[-1] == 200
    assert psutil.pid_exists(service)


def test_who_comes_in_a_crowd_is_answered_or_asked_to_come_again(bento: httpx.Client, files: Files) -> None:
    link = files.put(jpeg())
    with ThreadPoolExecutor(60) as crowd:
        answers = list(crowd.map(lambda _: ask(bento, "/classify", link).status_code, range(60)))
    assert set(answers) == {200, 429}
    assert answers.count(200) >= 16
    assert ask(bento, "/classify", link).status_code == 200


def _listens(process: psutil.Process, port: int | None) -> bool:
    return any(one.laddr.port == port for one in process.net_connections() if one.status == psutil.CONN_LISTEN)


def test_the_version_has_its_card_and_its_figures(settings: Settings, vision: RunResult) -> None:
    assert vision.metrics["residual_face_count"] == 0
    assert "CenterFace" in fetch_artifact(settings, vision.run_id, "model_card.md").decode()
    for name in ("anonymized.png", "crops.png"):
        assert fetch_artifact(settings, vision.run_id, name).startswith(b"\x89PNG")


def test_the_same_networks_make_no_second_version(settings: Settings, vision: RunResult) -> None:
    again = train(settings, seed=1, progress=lambda _text: None)
    assert (again.promote, again.model_version) == (False, vision.model_version)
