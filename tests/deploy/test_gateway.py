"""The gateway of the compose file is generated from the API's limits and routes, and is the only way in."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from fastapi.routing import APIWebSocketRoute

from tests.deploy.test_compose import COMPOSE, OURS, ROOT, SERVICES, THEIRS
from tools.gateway.envoy import ADMIN_PORT, FOLDER, LISTENERS, SOCKETS, TLS_PORT, TRACE_HEADERS, generated_files
from transactional_api.community.chat import socket
from transactional_api.core.http.middleware import LARGER, LIMITS

GATEWAY = SERVICES["gateway"]
FILES = sorted(path.name for path in generated_files())


def configuration(file: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / file).read_text())["static_resources"]
    return content


def manager(listener: dict[str, Any]) -> dict[str, Any]:
    [chain] = listener["filter_chains"]
    [found] = chain["filters"]
    typed: dict[str, Any] = found["typed_config"]
    return typed


def port_of(socket: dict[str, Any]) -> int:
    port: int = socket["address"]["socket_address"]["port_value"]
    return port


def test_generated_files_are_up_to_date() -> None:
    for path, text in generated_files().items():
        assert path.read_text(encoding="utf-8") == text, "run `python -m tools.gateway`"


@pytest.mark.parametrize("file", FILES)
def test_clusters_are_services_with_ports_and_health_checks(file: str) -> None:
    for cluster in configuration(file)["clusters"]:
        [endpoint] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        address = endpoint["endpoint"]["address"]["socket_address"]
        name = cluster["name"]
        [check] = cluster["health_checks"]
        path = check["http_health_check"]["path"]
        assert f":{address['port_value']}{path}" in SERVICES[name]["healthcheck"]["test"][-1]
        networks = SERVICES[name]["networks"]
        if name == "api":
            assert address["address"] in networks["front"]["aliases"]
        else:
            assert address["address"] == name
        assert set(networks) & set(GATEWAY["networks"]), name


def test_urls_of_the_settings_lead_to_the_listeners() -> None:
    listening = {name: port_of(each) for each in configuration("envoy.yaml")["listeners"] for name in [each["name"]]}
    assert listening == LISTENERS
    settings = SERVICES["api"]["environment"]
    through = {name: value for name, value in settings.items() if str(value).startswith("http://gateway:")}
    assert set(through) == {"RECOMMENDATION_URL", "CONTENT_URL", "MATCHING_URL", "IMAGE_URL", "VIDEO_URL"}
    for name, url in through.items():
        port = int(url.rpartition(":")[2])
        assert settings[name.replace("_URL", "_LISTEN")] == f"0.0.0.0:{port}"
        [cluster] = [each for each, number in LISTENERS.items() if number == port]
        assert SERVICES[cluster]["environment"][name.replace("_URL", "_LISTEN")].endswith(f":{port}")


def test_only_the_gateway_publishes_ports_and_none_of_a_model() -> None:
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["gateway"]
    published = {int(port.rpartition(":")[2]) for port in GATEWAY["ports"]}
    assert published == {port for name, port in LISTENERS.items() if not name.startswith("bento")}
    assert ADMIN_PORT not in published


def test_the_api_trusts_the_address_of_the_gateway_alone() -> None:
    [trusted] = json.loads(SERVICES["api"]["environment"]["TRUSTED_PROXIES"])
    assert GATEWAY["networks"]["front"]["ipv4_address"] == trusted
    assert [name for name in [*OURS, *THEIRS] if "front" in SERVICES[name]["networks"]] == ["api", "gateway"]
    assert COMPOSE["networks"]["front"]["internal"] is True


@pytest.mark.parametrize("file", FILES)
def test_every_listener_appends_the_address_of_the_connection(file: str) -> None:
    for listener in configuration(file)["listeners"]:
        assert manager(listener)["use_remote_address"] is True
        assert manager(listener)["xff_num_trusted_hops"] == 0


@pytest.mark.parametrize("file", FILES)
def test_requests_are_limited_above_the_limits_of_the_api(file: str) -> None:
    public = [each for each in configuration(file)["listeners"] if each["name"].startswith("api")]
    assert len(public) == (2 if file == "envoy-tls.yaml" else 1)
    for listener in public:
        limits = {each["name"]: each["typed_config"] for each in manager(listener)["http_filters"]}
        assert limits["envoy.filters.http.buffer"]["max_request_bytes"] > LIMITS.body_bytes
        assert limits["envoy.filters.http.local_ratelimit"]["token_bucket"]["max_tokens"] > 0
        routes = manager(listener)["route_config"]["virtual_hosts"][0]["routes"]
        larger = {
            route["match"]["path"]: route["typed_per_filter_config"]["envoy.filters.http.buffer"]["buffer"]
            for route in routes
            if "path" in route["match"]
        }
        assert {
            path: limit["max_request_bytes"] > LARGER[path].body_bytes for path, limit in larger.items()
        } == dict.fromkeys(LARGER, True)
        assert set(larger) <= set(json.loads((ROOT / "transactional_api" / "openapi.json").read_text())["paths"])


@pytest.mark.parametrize("file", FILES)
def test_clients_decide_nothing_about_traces(file: str) -> None:
    """The platform's own calls of the models keep their trace."""
    for listener in configuration(file)["listeners"]:
        [host] = manager(listener)["route_config"]["virtual_hosts"]
        kept = {*TRACE_HEADERS} - {*host.get("request_headers_to_remove", [])}
        assert kept == ({*TRACE_HEADERS} if listener["name"].startswith("bento") else set())


@pytest.mark.parametrize("file", FILES)
def test_sockets_are_upgraded_on_their_routes_alone(file: str) -> None:
    sockets = [route.path for route in socket.router.routes if isinstance(route, APIWebSocketRoute)]
    assert sockets
    assert all(path.startswith(SOCKETS) for path in sockets)
    for listener in configuration(file)["listeners"]:
        for route in manager(listener)["route_config"]["virtual_hosts"][0]["routes"]:
            expected = route["match"].get("prefix") == SOCKETS or listener["name"] in {"dagster-webserver", "grafana"}
            assert ("upgrade_configs" in route["route"]) == expected


def test_tls_is_published_by_an_override() -> None:
    override = yaml.safe_load((FOLDER / "compose-tls.yml").read_text())["services"]["gateway"]
    assert override["ports"] == [f"443:{TLS_PORT}"]
    file = re.search(r"/etc/envoy/(\S+\.yaml)", " ".join(override["command"]))
    assert file
    [tls] = [each for each in configuration(file[1])["listeners"] if port_of(each) == TLS_PORT]
    [chain] = tls["filter_chains"]
    context = chain["transport_socket"]["typed_config"]["common_tls_context"]
    assert context["tls_params"]["tls_minimum_protocol_version"] == "TLSv1_2"
    folder = override["volumes"][1].split(":")[-2]
    [certificate] = context["tls_certificates"]
    assert all(each["filename"].startswith(f"{folder}/") for each in certificate.values())
    assert (ROOT / "deploy" / "gateway" / file[1]).exists()
