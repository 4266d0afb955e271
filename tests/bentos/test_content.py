"""The content service as a real process: nothing to say before a release, and the released tasks after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from feature_repo.schemas import VIEW_SCHEMAS, FeatureType
from feature_repo.vendor_patches import FeatureStore, PushMode
from models.content.feedback import Feedback
from models.content.train import promote, train
from models.registry import fetch_artifact
from models.tracking import RunResult
from neighborconnect.contracts import features as names
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings
from tests.bentos.reloading import reload_champion

UNWANTED = "You are a stupid bitch, get out of here."


@pytest.fixture(scope="module")
def bento(run: Callable[..., None], settings: Settings) -> Iterator[httpx.Client]:
    run("mlflow", "bento-content")
    assert settings.content_url is not None
    with httpx.Client(
        base_url=settings.content_url, headers=bearer(settings.platform_token), timeout=60, trust_env=False
    ) as client:
        yield client


@pytest.fixture(scope="module")
def released(bento: httpx.Client, settings: Settings) -> RunResult:
    before = bento.post("/sentiment", json={"request": {"text": "Hello"}})
    assert before.status_code == 503
    result = train(settings, feedback=Feedback(), data_version="none", seed=1, progress=lambda _text: None)
    assert promote(settings, result)
    assert reload_champion(bento) == {"content": result.model_version}
    return result


def ask(bento: httpx.Client, path: str, **request: Any) -> dict[str, Any]:
    answer = bento.post(path, json={"request": request})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_each_question_is_answered_by_the_released_version(bento: httpx.Client, released: RunResult) -> None:
    liked = ask(bento, "/sentiment", text="A wonderful, warm and very funny evening.")
    assert (liked["label"], liked["model_version"]) == ("positive", released.model_version)
    assert ask(bento, "/sentiment", text="Dull, tedious and a complete waste of time.")["label"] == "negative"
    assert ask(bento, "/spam-detection", text="WINNER! Claim your free prize, call 09061701461 now")["is_spam"]
    assert not ask(bento, "/spam-detection", text="Are you coming to the garden on Sunday?")["is_spam"]
    about = ask(bento, "/topics", text="My tomatoes need compost, I pay $5. Ask Ben Okafor.")
    assert about["topics"][0]["topic"] == "gardening"
    assert "price" in {one["kind"] for one in about["entities"]}


def test_what_somebody_does_speaks_for_spam_too(bento: httpx.Client, released: RunResult, store: FeatureStore) -> None:
    empty: dict[FeatureType, Any] = {FeatureType.INT64: 0, FeatureType.FLOAT32: 0.0, FeatureType.STRING_LIST: []}
    row = {name: [empty[kind]] for name, kind in VIEW_SCHEMAS[names.USER_RECENT_ACTIVITY].features.items()}
    row |= {
        "user_id": ["busy"],
        "event_timestamp": [datetime.now(UTC)],
        "posts_last_hour": [9],
        "comments_last_hour": [9],
    }
    store.push(names.RECENT_ACTIVITY_PUSH, pd.DataFrame(row), to=PushMode.ONLINE)
    calm = {"text": "Are you coming to the garden on Sunday?"}
    deadline = time.monotonic() + 30  # A store that was not there yet is let rest for some seconds.
    while (said := ask(bento, "/spam-detection", **calm, user_id="busy"))[
        "signals"
    ] == [] and time.monotonic() < deadline:
        time.sleep(0.5)
    assert (said["is_spam"], said["signals"]) == (False, ["posting_burst"])
    assert 0 <= said["features_age_ms"] < 600_000
    assert ask(bento, "/spam-detection", **calm, user_id="quiet")["signals"] == []
    assert ask(bento, "/spam-detection", **calm, account_days=0.1)["signals"] == ["new_account"]


def test_what_is_flagged_says_for_which_words(bento: httpx.Client, released: RunResult) -> None:
    flagged = ask(bento, "/moderate", text=UNWANTED)
    assert flagged["verdict"] in {"review", "block"}
    words = [UNWANTED[one["begin"] : one["end"]].strip(",.") for one in flagged["highlights"]]
    assert "bitch" in words
    calm = ask(bento, "/moderate", text="Are you coming to the garden on Sunday?")
    assert (calm["verdict"], calm["highlights"]) == ("allow", [])


@pytest.mark.parametrize(
    ("text", "verdict", "offers_help"),
    [
        ("You are an idiot and nobody likes you", "review", False),
        ("Damn this rain.", "allow", False),
        ("Free couch, call me at 020 7946 0123.", "allow", False),
        ("I want to kill myself tonight.", "allow", True),
    ],
)
def test_labels_lead_to_the_action_of_the_policy(
    bento: httpx.Client, released: RunResult, text: str, verdict: str, offers_help: bool
) -> None:
    answer = ask(bento, "/moderate", text=text)
    assert (answer["verdict"].replace("block", "review"), answer["offers_help"]) == (verdict, offers_help)


def test_vectors_of_like_texts_lie_near_to_each_other(bento: httpx.Client, released: RunResult) -> None:
    texts = ["I sell my couch.", "A sofa is for sale.", "The bus to the station is late."]
    answer = ask(bento, "/embed", texts=texts)
    couch, sofa, bus = np.array(answer["embeddings"])
    assert couch @ sofa > 0.5 > couch @ bus
    assert np.linalg.norm(couch) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "text", ["🌱" * 400, "日本語のテキスト、とても長い。" * 200, "a" * 10_000, "\u0000\u202e\u200d", " . "]
)
@pytest.mark.parametrize("path", ["/sentiment", "/moderate", "/topics", "/spam-detection"])
def test_strange_texts_get_a_bounded_answer(bento: httpx.Client, released: RunResult, path: str, text: str) -> None:
    assert ask(bento, path, text=text)["model_version"] == released.model_version


@pytest.mark.parametrize("request_body", [{"text": ""}, {"text": "a" * 10_001}, {"text": 7}, {}, {"words": "x"}])
def test_what_is_no_question_is_refused(bento: httpx.Client, request_body: dict[str, Any]) -> None:
    assert bento.post("/sentiment", json={"request": request_body}).status_code == 400
    assert bento.post("/embed", json={"request": {"texts": []}}).status_code == 400


def test_the_same_training_again_registers_nothing(settings: Settings, released: RunResult) -> None:
    again = train(settings, feedback=Feedback(), data_version="none", seed=1, progress=lambda _text: None)
    assert (again.promote, again.model_version) == (False, released.model_version)
    assert "inputs are the same" in again.reasons[0]


def test_the_version_has_its_card_and_its_figure(settings: Settings, released: RunResult) -> None:
    assert released.metrics["max_false_positive_rate_by_group"] <= 0.1
    run_id = released.run_id
    card = fetch_artifact(settings, run_id, "model_card.md").decode()
    assert "Fairness" in card
    assert "Davidson" in card
    assert "| threat_direct |" in card
    assert released.metrics["functional_hateful_flagged"] > 0.5
    assert fetch_artifact(settings, run_id, "bias.png").startswith(b"\x89PNG")
