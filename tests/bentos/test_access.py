"""Model services, MLflow and Dagster, as real processes, answer nobody without credentials but health probes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from local_stack.stack import Stack
from models.registry import RegistryError, read_champion
from neighborconnect.contracts.models import CONTENT_MODEL
from neighborconnect.service_auth import OPERATOR, bearer
from neighborconnect.settings import Settings
from tests.anonymous_access import listeners, open_to_anyone, platform_probes

RANK = {"request": {"request_id": "r", "user_id": "u", "item_kind": "post"}}
EXPERIMENT = "/api/2.0/mlflow/experiments/create"
VERSION = {"query": "{ version }"}
FOREIGN = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
WRONG = [None, "Bearer wrong", "Basic b3BlcmF0b3I6eA=="]


@pytest.fixture
def stranger() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def operator(settings: Settings) -> tuple[str, str]:
    return OPERATOR, settings.operator_password.get_secret_value()


@pytest.fixture(scope="module")
def mlflow(run: Callable[..., None], settings: Settings) -> str:
    run("mlflow")
    return settings.mlflow_tracking_uri


@pytest.fixture(scope="module")
def dagster(run: Callable[..., None], settings: Settings) -> str:
    run("dagster-code", "dagster-webserver")
    return settings.dagster_url


def refused(answer: httpx.Response, status: int = 401) -> bool:
    return answer.status_code == status and answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("token", WRONG)
def test_a_bento_refuses_strangers(
    bento: httpx.Client, settings: Settings, stranger: httpx.Client, token: str | None
) -> None:
    stranger.headers.update({} if token is None else {"authorization": token})
    url = settings.recommendation_url
    assert refused(stranger.post(f"{url}/rank", json=RANK))
    assert refused(stranger.post(f"{url}/reload", json={}))
    for path in ("/metrics", "/docs.json", "/schema.json", "/"):
        assert refused(stranger.get(url + path)), path
    assert stranger.get(f"{url}/livez").status_code == 200
    assert stranger.get(f"{url}/readyz").status_code == 200


def test_a_bento_answers_the_platform(bento: httpx.Client) -> None:
    assert bento.get("/metrics").status_code == 200
    assert bento.post("/reload", json={}).status_code == 200


@pytest.mark.parametrize("token", WRONG)
def test_mlflow_refuses_strangers(mlflow: str, stranger: httpx.Client, token: str | None) -> None:
    stranger.headers.update({} if token is None else {"authorization": token})
    assert stranger.get(f"{mlflow}/health").status_code == 200
    assert refused(stranger.get(mlflow))
    assert refused(stranger.post(mlflow + EXPERIMENT, json={"name": "forged"}))
    alias = {"name": CONTENT_MODEL, "alias": "champion"}
    path = "/api/2.0/mlflow/registered-models/alias"
    assert refused(stranger.get(mlflow + path, params=alias))
    assert refused(stranger.post(mlflow + path, json={**alias, "version": "1"}))
    assert refused(stranger.post(f"{mlflow}/graphql", json=VERSION))
    assert refused(stranger.put(f"{mlflow}/api/2.0/mlflow-artifacts/artifacts/forged", content=b"x"))


def test_mlflow_lets_the_platforms_token_read_only(mlflow: str, settings: Settings, stranger: httpx.Client) -> None:
    assert read_champion(settings, "a model that nobody trained") is None
    assert refused(stranger.post(mlflow + EXPERIMENT, json={"name": "x"}, headers=bearer(settings.platform_token)))
    with pytest.raises(RegistryError, match="401"):
        read_champion(settings.model_copy(update={"platform_token": settings.jwt_secret}), CONTENT_MODEL)


def test_mlflow_admits_the_operator_and_refuses_other_origins(
    mlflow: str, stranger: httpx.Client, operator: tuple[str, str]
) -> None:
    assert stranger.get(mlflow, auth=operator).status_code == 200
    search = "/ajax-api/2.0/mlflow/experiments/search"
    own = {"origin": mlflow, "sec-fetch-site": "same-origin"}
    assert stranger.post(mlflow + search, json={"max_results": 1}, headers=own, auth=operator).status_code == 200
    assert refused(stranger.post(mlflow + EXPERIMENT, json={"name": "x"}, headers=FOREIGN, auth=operator), 403)
    assert refused(stranger.get(mlflow, headers={"host": "evil.example"}, auth=operator), 403)


@pytest.mark.parametrize("token", WRONG)
def test_dagster_refuses_strangers(dagster: str, stranger: httpx.Client, token: str | None) -> None:
    stranger.headers.update({} if token is None else {"authorization": token})
    assert stranger.get(f"{dagster}/server_info").status_code == 200
    assert refused(stranger.get(dagster))
    assert refused(stranger.post(f"{dagster}/graphql", json=VERSION))
    assert refused(stranger.get(f"{dagster}/graphql", params=VERSION))
    assert refused(stranger.post(f"{dagster}/report_asset_materialization/forged", json={}))
    assert refused(stranger.get(f"{dagster}/logs/x/y"))


def test_dagster_executes_nothing_for_a_page_of_another_origin(
    dagster: str, stranger: httpx.Client, operator: tuple[str, str]
) -> None:
    mutation = {"query": "mutation { setNuxSeen }"}
    url = f"{dagster}/graphql"
    assert refused(stranger.post(url, json=mutation, headers=FOREIGN, auth=operator), 403)
    assert refused(stranger.get(url, params=mutation, headers=FOREIGN, auth=operator), 403)
    # Nor for what a browser sends of itself without naming an origin.
    assert refused(stranger.get(url, params=mutation, auth=operator), 405)
    for kind in ("text/plain", "text/plain; application/json", "application/x-www-form-urlencoded"):
        assert refused(stranger.post(url, params=mutation, headers={"content-type": kind}, auth=operator), 415)
    assert refused(stranger.post(url, json=mutation, headers={"host": "evil.example"}, auth=operator), 403)


def test_dagster_lets_the_operator_work(dagster: str, stranger: httpx.Client, operator: tuple[str, str]) -> None:
    assert "<html" in stranger.get(dagster, auth=operator).text
    asked = {"query": "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"}
    own = {"origin": dagster, "sec-fetch-site": "same-origin"}
    answer = stranger.post(f"{dagster}/graphql", json=asked, headers=own, auth=operator).json()
    entries = answer["data"]["workspaceOrError"]["locationEntries"]
    assert entries == [{"name": "neighborconnect", "loadStatus": "LOADED"}]


def no_socket_serves_strangers(servers: Stack, *services: str) -> bool:
    assert {one.service for one in listeners(servers.home)} >= set(services)
    return open_to_anyone(servers.home, platform_probes(servers.ports), services=services) == []


def test_no_socket_of_a_bento_or_of_mlflow_serves_strangers(bento: httpx.Client, servers: Stack) -> None:
    assert no_socket_serves_strangers(servers, "bento", "mlflow")


def test_no_socket_of_dagster_serves_strangers(dagster: str, servers: Stack) -> None:
    assert no_socket_serves_strangers(servers, "dagster-code", "dagster-webserver")


def test_the_code_for_dagster_is_on_no_port(dagster: str, servers: Stack) -> None:
    path = servers.dagster_code_socket
    assert path.parent.stat().st_mode & 0o077 == 0
    found = [one for one in psutil.process_iter(["cmdline"]) if str(path) in (one.info["cmdline"] or [])]
    assert found
    assert [one.laddr for process in found for one in process.net_connections("inet") if one.status == "LISTEN"] == []
