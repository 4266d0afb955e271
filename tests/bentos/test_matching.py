"""The matching service as a real process: nothing to say before a release, and the town's matches after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from models.artifact_store import ArtifactStore
from models.matching.pair_features import with_vectors
from models.matching.train import MatchingResult, promote, train
from models.registry import fetch_artifact
from neighborconnect.contracts.models import SOCIAL_GRAPH_PREFIX
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings
from pipelines.training.social_graph_snapshot import publish
from tests.bentos.reloading import reload_champion
from tests.models.sample_graphs import community_graph

GRAPH = with_vectors(community_graph())


@pytest.fixture(scope="module")
def bento(run: Callable[..., None], settings: Settings) -> Iterator[httpx.Client]:
    run("mlflow", "bento-matching")
    assert settings.matching_url is not None
    with httpx.Client(
        base_url=settings.matching_url, headers=bearer(settings.platform_token), timeout=60, trust_env=False
    ) as client:
        yield client


@pytest.fixture(scope="module")
def released(bento: httpx.Client, settings: Settings) -> MatchingResult:
    assert ask(bento, user_id="p0", kind="users").status_code == 503
    result = train(settings, graph=GRAPH, data_version="graph", seed=1, progress=lambda _text: None)
    assert promote(settings, result)
    assert reload_champion(bento) == {"matching": None, "social_graph": None}
    assert ask(bento, user_id="p0", kind="users").status_code == 503
    version = publish(settings, GRAPH)
    assert reload_champion(bento) == {"matching": result.model_version, "social_graph": version}
    return result


def ask(bento: httpx.Client, **request: Any) -> httpx.Response:
    return bento.post("/match", json={"request": request})


def test_people_of_ones_circle_come_first(bento: httpx.Client, released: MatchingResult) -> None:
    answer = ask(bento, user_id="p0", kind="users", limit=5).json()
    assert answer["model_version"] == released.model_version
    assert 0 <= answer["features_age_ms"] < 3_600_000
    assert len(answer["matches"]) == 5
    assert sum(int(one["key"][1:]) < 25 for one in answer["matches"]) >= 4
    scores = [one["score"] for one in answer["matches"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("kind", ["users", "communities", "interests", "proximity"])
def test_who_is_unknown_gets_an_empty_answer(bento: httpx.Client, released: MatchingResult, kind: str) -> None:
    assert ask(bento, user_id="nobody", kind=kind).json()["matches"] == []


def test_pairs_of_two_sides_are_told(bento: httpx.Client, released: MatchingResult) -> None:
    asked = {"user_ids": ["p0", "p30"], "with_user_ids": ["p1", "nobody"]}
    answer = bento.post("/pairs", json={"request": asked}).json()
    assert answer["model_version"] == released.model_version
    scores = {one["user_id"]: one["score"] for one in answer["pairs"]}
    assert scores["p0"] > scores["p30"]
    assert bento.post("/pairs", json={"request": asked | {"user_ids": []}}).status_code == 400


@pytest.mark.parametrize(
    "asked", [{}, {"user_id": "p0"}, {"user_id": "p0", "kind": "love"}, {"user_id": "p0", "kind": "users", "limit": 0}]
)
def test_what_is_no_question_is_refused(bento: httpx.Client, asked: dict[str, Any]) -> None:
    assert ask(bento, **asked).status_code == 400


@pytest.mark.parametrize("kind", ["multipart/form-data", "text/plain", "application/vnd.bentoml+pickle"])
def test_a_body_that_is_not_json_is_refused(bento: httpx.Client, released: MatchingResult, kind: str) -> None:
    body = b'{"request": {"user_id": "p0", "kind": "users"}}'
    assert bento.post("/match", content=body, headers={"content-type": kind}).status_code == 415
    as_json = {"content-type": "Application/JSON; charset=utf-8"}
    assert bento.post("/match", content=body, headers=as_json).status_code == 200


def test_unreadable_graph_leaves_the_loaded_one(
    bento: httpx.Client, settings: Settings, released: MatchingResult
) -> None:
    served = reload_champion(bento)["social_graph"]
    store = ArtifactStore(settings, *SOCIAL_GRAPH_PREFIX)
    store.publish(f"{store.newest()}x", b"not a graph")
    assert reload_champion(bento)["social_graph"] == served
    assert ask(bento, user_id="p0", kind="users").json()["matches"]


def test_the_version_has_its_card_and_its_figures(settings: Settings, released: MatchingResult) -> None:
    assert released.metrics["user_auc_trained"] > 0.8
    assert "AUC" in fetch_artifact(settings, released.run_id, "model_card.md").decode()
    for figure in ("communities.png", "evaluation.png"):
        assert fetch_artifact(settings, released.run_id, figure).startswith(b"\x89PNG")


def test_equal_candidate_replaces_the_champion(settings: Settings, released: MatchingResult) -> None:
    again = train(settings, graph=GRAPH, data_version="graph", seed=2, progress=lambda _text: None)
    assert again.promote
    assert "user_auc_champion" in again.metrics
