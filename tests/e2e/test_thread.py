"""Acts of people, followed from their routes to features and marts, into a model and back into a feed."""

from __future__ import annotations

import io
import json
import os
import signal
import time
import zipfile
from decimal import Decimal
from importlib.resources import files
from typing import Any

import httpx
import polars as pl
import psutil
import pytest
from deltalake import DeltaTable

from feature_repo.online import OnlineReader
from feature_repo.store import build_store
from neighborconnect.service_auth import bearer
from tests.e2e.acts import Acts, act, activity_online, mart_rows, statistics_online
from tests.e2e.conftest import Platform
from tests.e2e.people import RELOAD_SECONDS, UPLOAD_SECONDS, Neighbour
from tests.malicious_files import clip

ONLINE_SECONDS = 60.0
RESTART_SECONDS = 180.0


def likes_online(reader: OnlineReader, *, user_id: str, expected: int) -> int:
    """Return the likes of the last hour in the online store, as soon as they are at least ``expected``."""
    deadline = time.monotonic() + ONLINE_SECONDS
    while True:
        row = reader.read_user(user_id, model_version="none").recent_activity
        if (likes := int(row.values.get("likes_last_hour") or 0)) >= expected:
            return likes
        assert time.monotonic() < deadline, f"{likes} of {expected} likes of {user_id} reached the online store"
        time.sleep(0.02)


def status(platform: Platform) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(platform.run("neighborconnect", "status", "--json"))}


class Gardener(Neighbour):
    """Likes posts about gardening, each after the one before it was a feature, and records the features."""

    def __init__(self, platform: Platform) -> None:
        super().__init__(platform.settings.api_url)
        reader = OnlineReader(build_store(platform.settings))
        reader.read_user(self.id, model_version="none")  # The first read loads the registry.
        self.likes_online = []
        for count, post in enumerate(self.posts_about("gardening", most=12), start=1):
            self.post(f"/posts/{post}/like")
            self.likes_online.append(likes_online(reader, user_id=self.id, expected=count))


@pytest.fixture(scope="module")
def gardener(platform: Platform) -> Gardener:
    return Gardener(platform)


class BrokenOff(Neighbour):
    """A neighbor whose video was being transcoded when the job worker and the video service were killed."""

    def __init__(self, platform: Platform, video: bytes) -> None:
        super().__init__(platform.settings.api_url)
        self.video: str = self.upload(video, until=lambda it: (it["progress"] or 0) > 0)["id"]
        running = status(platform)
        for name in ("jobs", "bento-video"):
            os.kill(running[name]["pid"], signal.SIGKILL)


@pytest.fixture(scope="module")
def broken_off(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> BrokenOff:
    """Requested early: the minute until a worker takes the job up passes during other tests."""
    # Long enough that the worker dies in the middle of it.
    path = clip(tmp_path_factory.mktemp("clip") / "clip.mp4", (150, 150), size=(640, 480), sound="words")
    return BrokenOff(platform, path.read_bytes())


@pytest.fixture(scope="module")
def copy_asked_for(gardener: Gardener) -> str:
    """Asked for early: the pipelines look each minute."""
    gardener.feed()
    return str(gardener.post("/privacy/exports")["id"])


@pytest.fixture(scope="module")
def acts(platform: Platform) -> Acts:
    host, guest = Neighbour(platform.settings.api_url), Neighbour(platform.settings.api_url)
    return act(host, guest)


@pytest.fixture(scope="module")
def retrained(platform: Platform, gardener: Gardener, broken_off: BrokenOff, copy_asked_for: str, acts: Acts) -> None:
    """The marts are built, the features computed and the recommenders trained, after all acts."""
    platform.run("pipelines.bootstrap", "--retrain")


def test_each_like_becomes_a_feature_before_the_next_one(gardener: Gardener) -> None:
    # `python -m benchmarks latency` measures how fast.
    assert gardener.likes_online == list(range(1, 13))


def test_an_rsvp_a_purchase_and_a_review_become_features(platform: Platform, acts: Acts) -> None:
    assert activity_online(platform.settings, acts) == {
        "event_rsvps_last_hour": 1,
        "purchases_last_hour": 1,
        "reviews_last_hour": 1,
        "recent_event_ids": [acts.event],
        "recent_item_ids": [acts.item],
    }


@pytest.mark.usefixtures("retrained")
def test_after_training_a_feed_is_personal(platform: Platform, gardener: Gardener) -> None:
    stranger = Neighbour(platform.settings.api_url)
    deadline = time.monotonic() + RELOAD_SECONDS
    while (feed := gardener.feed())["reason_code"] is not None and time.monotonic() < deadline:
        time.sleep(1.0)
    assert feed["reason_code"] is None, feed["reason_code"]
    assert feed["model_version"] is not None
    theirs = stranger.categories_of(stranger.feed())
    assert gardener.categories_of(feed)["gardening"] > theirs["gardening"]


@pytest.mark.usefixtures("retrained")
def test_an_rsvp_a_purchase_and_a_review_reach_their_marts(platform: Platform, acts: Acts) -> None:
    assert mart_rows(platform.settings, acts) == {
        "fct_events": [(1, 2, 0)],
        "fct_marketplace_items": [("sold", Decimal("5.50"), "EUR")],
        "weekly_connector_reviews": [(1, 4.0)],
        "fct_activity": [
            ("purchase", "item", acts.item, False),
            ("review", "connector", acts.connector, False),
            ("rsvp", "event", acts.event, False),
        ],
    }


@pytest.mark.usefixtures("retrained")
def test_rsvps_purchases_and_reviews_count_in_item_features(platform: Platform, acts: Acts) -> None:
    assert statistics_online(platform.settings, acts) == {
        "rsvps_total": 1,
        "purchases_total": 1,
        "reviews_28d": 1,
    }


def test_first_run_trains_the_text_and_matching_models(platform: Platform) -> None:
    reader = Neighbour(platform.settings.api_url, interests=["gardening"])
    for what in ("sentiment", "moderate", "topics", "spam-detection"):
        reader.ask_the_model(f"/analysis/{what}", {"text": "My tomatoes are a delight."})
    # A newcomer is not in the town that the model knows; those who were there before it are.
    matched = reader.post("/matching/users", {"limit": 5})
    assert (matched["source"], matched["reason_code"]) == ("rules", "no_matches")
    resident = reader.get(f"/posts/{reader.posts_about('gardening', most=1)[0]}")["author"]["id"]
    assert platform.settings.matching_url is not None
    token = bearer(platform.settings.platform_token)
    with httpx.Client(base_url=platform.settings.matching_url, headers=token, timeout=30, trust_env=False) as bento:
        asked = {"user_id": resident, "kind": "users", "limit": 5}
        matches = bento.post("/match", json={"request": asked}).raise_for_status().json()["matches"]
    assert len(matches) == 5
    assert {one["reason"] for one in matches} != {"popular"}


def test_a_copy_has_what_lies_in_the_lake(gardener: Gardener, copy_asked_for: str) -> None:
    deadline = time.monotonic() + UPLOAD_SECONDS
    while not (copy := gardener.get(f"/privacy/exports/{copy_asked_for}"))["complete"]:
        assert time.monotonic() < deadline, copy
        time.sleep(1.0)
    archive = zipfile.ZipFile(io.BytesIO(httpx.get(copy["url"], trust_env=False, timeout=60).content))
    recommended = json.loads(archive.read("lake/predictions.json"))
    assert {row["user_id"] for row in recommended} == {gardener.id}


def test_the_first_run_leaves_the_themes_of_the_town(platform: Platform) -> None:
    path = platform.settings.lake_path("themes")
    table = DeltaTable(path, storage_options=platform.settings.lake_storage_options)
    rows = pl.scan_delta(table).collect()
    town = rows.filter(pl.col("connector_id") == "")
    assert town.height >= 5
    assert town["share"].sum() > 0.5
    assert all(label for label in town["label"])


def test_a_picture_is_seen_and_its_face_hidden(platform: Platform) -> None:
    person = Neighbour(platform.settings.api_url)
    portrait = files("skimage.data") / "astronaut.png"
    picture = person.upload(portrait.read_bytes(), until=lambda it: it["alt_text"] is not None)
    assert "a person" in picture["alt_text"]
    hidden = person.post("/images/detect-faces", {"media_id": picture["id"], "anonymization": "blur"})
    assert (hidden["source"], len(hidden["faces"])) == ("model", 1)
    assert httpx.get(hidden["anonymized"]["url"], timeout=60).content.startswith(b"\xff\xd8")


def test_a_killed_job_goes_on_and_a_video_is_seen(broken_off: BrokenOff) -> None:
    video = broken_off.wait(broken_off.video, until=lambda it: it["progress"] == 1.0)
    assert {one["name"] for one in video["renditions"]} == {"h264-240", "h264-480", "av1-480"}
    facts = broken_off.post("/videos/analyze", {"media_id": video["id"]})
    assert (facts["source"], len(facts["shots"])) == ("model", 2)


def test_a_killed_bento_costs_only_personalization(platform: Platform) -> None:
    reader = Neighbour(platform.settings.api_url, interests=["gardening"])
    before = status(platform)["bento"]["pid"]
    os.kill(before, signal.SIGKILL)
    paths = [reader.feed()["path"]]
    deadline = time.monotonic() + RESTART_SECONDS
    while paths[-1] == "popular_nearby" and time.monotonic() < deadline:
        time.sleep(1.0)  # As often as a person may ask.
        paths.append(reader.feed()["path"])  # Raises on anything but an answer.
    assert paths[0] == "popular_nearby"
    assert paths[-1] != "popular_nearby"
    assert status(platform)["bento"]["pid"] != before


def test_status_tells_every_process_in_words_for_programs(platform: Platform) -> None:
    told, deadline = status(platform), time.monotonic() + RESTART_SECONDS
    while {each["state"] for each in told.values()} != {"ready"}:  # Services killed before come back.
        assert time.monotonic() < deadline, told
        time.sleep(1.0)
        told = status(platform)
    assert {
        "postgres",
        "redis",
        "s3",
        "kafka",
        "api",
        "relay",
        "jobs",
        "bento",
        "mlflow",
        "dagster-code",
    } <= told.keys()
    assert all({"name", "url", "state", "pid", "memory"} <= each.keys() for each in told.values())
    assert sum(each["memory"] for each in told.values()) < 6 * 1024**3


def test_pipelines_step_back_for_what_people_wait_for(platform: Platform) -> None:
    niceness = {name: psutil.Process(each["pid"]).nice() for name, each in status(platform).items() if each["pid"]}
    assert niceness["dagster-daemon"] > niceness["api"]


def test_a_second_up_finds_everything_running(platform: Platform) -> None:
    before = {name: each["pid"] for name, each in status(platform).items()}
    platform.run("neighborconnect", "up")
    assert {name: each["pid"] for name, each in status(platform).items()} == before
