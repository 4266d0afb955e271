"""A container has the secrets, rights and neighbors that its process needs, and no others."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from local_stack.stack import Stack
from neighborconnect.settings import Settings, SettingsError, get_settings
from tests.deploy.reads import settings_read
from tests.deploy.test_compose import COMPOSE, OURS, SERVICES, THEIRS, filled_in

ADDRESSES = {"kafka_bootstrap_servers", "s3_endpoint_url", "mlflow_tracking_uri"}
SECRETS = {name for name, info in Settings.model_fields.items() if info.is_required()} - ADDRESSES | {
    name.lower()
    for service in OURS
    for name, value in SERVICES[service]["environment"].items()
    if "${" in str(value) and not name.startswith(("NEIGHBORCONNECT_", "OTEL_"))
}
PUBLISHED = {"gateway"}
# Mail and push, OpenID providers, receivers of alerts.
SENDS = {"jobs", "api", "alertmanager"}


def networks_of(service: str) -> set[str]:
    return set(SERVICES[service]["networks"])


def test_secrets_are_known() -> None:
    assert {"database_url", "jwt_secret", "platform_token", "s3_secret_key", "operator_password"} <= SECRETS
    assert set(Settings.model_fields) >= SECRETS


@pytest.mark.parametrize("name", OURS)
def test_container_has_exactly_the_secrets_that_it_reads(name: str) -> None:
    given = {variable.lower() for variable in SERVICES[name]["environment"]} & SECRETS
    assert given == settings_read(SERVICES[name]["command"]) & SECRETS


@pytest.mark.parametrize(
    ("name", "never"),
    [
        ("bento-image", SECRETS - {"platform_token"}),
        ("bento-video", SECRETS - {"platform_token"}),
        ("dagster-daemon", SECRETS - {"dagster_database_url"}),
        ("relay", SECRETS - {"database_url", "kafka_password"}),
        ("mlflow", {"database_url", "jwt_secret", "personal_data_keys"}),
        ("dagster-code", {"jwt_secret", "personal_data_keys", "operator_password"}),
    ],
)
def test_exposed_and_decoding_containers_hold_few_secrets(name: str, never: set[str]) -> None:
    assert not {variable.lower() for variable in SERVICES[name]["environment"]} & never


def test_no_two_databases_have_one_password() -> None:
    urls = {name: value for name, value in _all_environment().items() if "@postgres:" in str(value)}
    passwords = [re.search(r"\$\{(\w+)", value)[1] for value in urls.values()]  # type: ignore[index]
    assert len(urls) == 5
    assert len(set(passwords)) == 5


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_containers_are_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"]
    assert service["mem_limit"]
    assert not service.get("privileged")


@pytest.mark.parametrize(
    "name", [*OURS, "postgres", "redis", "minio", "prometheus", "alertmanager", "grafana", "gateway"]
)
def test_containers_cannot_change_their_image(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["tmpfs"][0].endswith("tmp:mode=1777,size=2g" if name in OURS else "tmp:mode=1777")


def test_only_published_and_sending_services_have_egress() -> None:
    leading_out = {name for name, network in COMPOSE["networks"].items() if not (network or {}).get("internal")}
    assert leading_out == {"edge"}
    assert {name for name in SERVICES if SERVICES[name].get("ports")} == PUBLISHED
    assert {name for name in SERVICES if networks_of(name) & leading_out} == PUBLISHED | SENDS
    assert not any(networks_of(name) & leading_out for name in set(THEIRS) - PUBLISHED - SENDS)


@pytest.mark.parametrize("name", OURS)
def test_a_process_reaches_the_hosts_that_its_code_reads(name: str) -> None:
    read = settings_read(SERVICES[name]["command"])
    environment = {key.lower(): value for key, value in filled_in(name).items()}
    for setting in read & set(environment):
        address = environment[setting]
        if address.startswith("["):
            continue
        host = urlsplit(address if "//" in address else f"//{address}").hostname
        if not setting.endswith("_listen") and host in SERVICES and _is_asked(name, setting):
            assert networks_of(name) & networks_of(host), (setting, host)


def test_kafka_is_reached_by_its_clients_alone() -> None:
    clients = {name for name in OURS if "kafka_bootstrap_servers" in settings_read(SERVICES[name]["command"])}
    assert {name for name in OURS if networks_of(name) & networks_of("kafka")} == clients


def test_what_is_not_set_is_named_where_it_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NEIGHBORCONNECT_HOME", str(tmp_path))
    get_settings.cache_clear()
    with pytest.raises(SettingsError, match="DATABASE_URL: Field required"):
        get_settings()
    monkeypatch.setenv("NEIGHBORCONNECT_PROFILE", "external")
    for name, value in filled_in("bento-image").items():
        monkeypatch.setenv(name, value)
    settings = get_settings()
    get_settings.cache_clear()
    assert settings.platform_token.get_secret_value() == "filled1in"
    assert "jwt_secret" not in repr(settings)
    with pytest.raises(SettingsError, match="JWT_SECRET is not set"):
        _ = settings.jwt_secret
    with pytest.raises(SettingsError, match="S3_ACCESS_KEY is not set"):
        _ = settings.lake_storage_options
    monkeypatch.setenv("IMAGE_LISTEN", "5004")
    with pytest.raises(SettingsError, match="host:port"):
        get_settings()
    get_settings.cache_clear()


def test_the_api_starts_with_what_its_container_has(settings: Settings, servers: Stack, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    theirs = {name.upper() for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name not in theirs}
    stack = servers.settings | {"API_LISTEN": address, "NEIGHBORCONNECT_HOME": str(tmp_path)}
    given = {name: stack[name] for name in SERVICES["api"]["environment"] if name in stack}
    environment = inherited | given | {"NEIGHBORCONNECT_PROFILE": "external"}
    process = subprocess.Popen([sys.executable, *SERVICES["api"]["command"][1:]], env=environment)
    try:
        with httpx.Client(base_url=f"http://{address}", timeout=30, trust_env=False) as client:
            while True:
                assert process.poll() is None
                try:
                    ready = client.get("/readyz")
                    break
                except httpx.TransportError:
                    time.sleep(0.2)
        assert ready.status_code == 200
    finally:
        process.kill()
        process.wait()


def _all_environment() -> dict[str, Any]:
    return {name: value for service in OURS for name, value in SERVICES[service]["environment"].items()}


def _is_asked(name: str, setting: str) -> bool:
    # A column of posts has the name of a setting; the table of `neighborconnect up` shows what is not started yet.
    return not (setting == "image_url" and name not in {"api", "jobs", "dagster-code", "bootstrap"}) and not (
        name == "prepare" and setting in {"api_url", "dagster_url", "recommendation_url", "mlflow_tracking_uri"}
    )
