"""No process of a whole running platform answers a stranger with data, or does what a stranger asks."""

from __future__ import annotations

import httpx
import pytest

from local_stack.ports import Ports
from local_stack.service_catalog import BENTO_SERVICES as SERVICES_OF_MODELS
from local_stack.service_catalog import SERVERS
from tests.anonymous_access import listeners, open_to_anyone, platform_probes
from tests.e2e.conftest import Platform

BENTO_SERVICES = {
    "recommendation_url": ("/rank", "/reload"),
    "content_url": ("/moderate", "/embed", "/reload"),
    "matching_url": ("/match", "/pairs", "/reload"),
    "image_url": ("/classify", "/optimize", "/reload"),
    "video_url": ("/analyze", "/reload"),
}


def test_no_socket_of_the_platforms_processes_serves_strangers(platform: Platform) -> None:
    home, ports = platform.settings.neighborconnect_home, Ports(platform.settings.neighborconnect_port_offset)
    services = {one.service for one in listeners(home)} - set(SERVERS)
    assert services >= {"api", "mlflow", "dagster-code", "dagster-webserver", *SERVICES_OF_MODELS}
    assert open_to_anyone(home, platform_probes(ports), services=services) == []


@pytest.mark.parametrize("setting", BENTO_SERVICES)
def test_model_services_refuse_strangers(platform: Platform, setting: str) -> None:
    with httpx.Client(base_url=getattr(platform.settings, setting), timeout=30, trust_env=False) as stranger:
        assert [stranger.post(path, json={}).status_code for path in BENTO_SERVICES[setting]] == [401] * len(
            BENTO_SERVICES[setting]
        )
        assert stranger.get("/metrics").status_code == 401
        assert stranger.get("/readyz").status_code == 200


@pytest.mark.parametrize("setting", ["mlflow_tracking_uri", "dagster_url"])
def test_web_interfaces_refuse_strangers(platform: Platform, setting: str) -> None:
    with httpx.Client(base_url=getattr(platform.settings, setting), timeout=30, trust_env=False) as stranger:
        assert stranger.get("/").status_code == 401
        assert stranger.post("/graphql", json={"query": "{ version }"}).status_code == 401


def test_the_apis_metrics_refuse_strangers(platform: Platform) -> None:
    assert httpx.get(f"{platform.settings.api_url}/metrics", trust_env=False, timeout=60).status_code == 401


def test_the_operators_credentials_open_the_web_interfaces(platform: Platform) -> None:
    shown = platform.run("neighborconnect", "credentials")
    name, password = (line.rpartition(" ")[2] for line in shown.splitlines() if line.startswith(("user", "password")))
    for url in (platform.settings.mlflow_tracking_uri, platform.settings.dagster_url):
        assert url in shown
        assert httpx.get(url, auth=(name, password), timeout=30, trust_env=False).status_code == 200
