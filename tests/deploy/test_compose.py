"""The compose file and the settings say the same, and nothing in it is left open."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_stack.kafka_principals import ADMIN, PIPELINES, PRINCIPAL_OF_SERVICE, PRINCIPALS
from local_stack.service_catalog import child_environment
from local_stack.service_catalog import services as stack_services
from local_stack.stack import Stack
from neighborconnect.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("neighborconnect/"))
THEIRS = sorted(set(SERVICES) - set(OURS))
ONE_SHOTS = {"prepare", "simulate", "bootstrap"}
_VARIABLE = re.compile(r"\$\{(\w+)(:[^}]*)?\}")


def wanted_variables() -> dict[str, set[str]]:
    """Every ``${NAME…}`` of the file with what stands behind the name."""
    found: dict[str, set[str]] = {}
    for name, rest in _VARIABLE.findall((ROOT / "docker-compose.yml").read_text()):
        found.setdefault(name, set()).add(rest[:2])
    return found


def filled_in(service: str) -> dict[str, str]:
    """A service's environment with every variable set."""
    environment = SERVICES[service]["environment"]
    values = {
        "NEIGHBORCONNECT_LOG_LEVEL": "INFO",
        "CORS_ALLOW_ORIGINS": '["https://app.example.org"]',
        "API_WORKERS": "2",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318",
        "OTEL_TRACES_SAMPLER_ARG": "0.5",
    }
    return {
        name: _VARIABLE.sub(lambda match: values.get(match[1], "filled1in"), str(value))
        for name, value in environment.items()
    }


def parsed(value: str) -> Any:
    """Return a value as the environment's reader does: lists are JSON."""
    return json.loads(value) if value.startswith("[") else value


def test_the_servers_of_the_design_are_all_there() -> None:
    images = {SERVICES[name]["image"].partition(":")[0] for name in THEIRS}
    watching = {"prom/prometheus", "prom/alertmanager", "grafana/grafana", "jaegertracing/jaeger"}
    stores = {"pgvector/pgvector", "redis", "mongo", "minio/minio", "apache/kafka"}
    assert images == stores | watching | {"envoyproxy/envoy"}


def test_every_process_of_the_embedded_stack_has_its_service(servers: Stack) -> None:
    embedded = {name for name, service in stack_services(servers).items() if service.command[0] == sys.executable}
    assert embedded >= {"api", "relay", "mlflow", "bento"}
    assert embedded <= set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_environment_names_are_settings(name: str) -> None:
    names = {field.upper() for field in Settings.model_fields}
    assert set(SERVICES[name]["environment"]) <= names


@pytest.mark.parametrize("name", OURS)
def test_values_are_valid(name: str) -> None:
    unset = {field: "unset" for field, info in Settings.model_fields.items() if info.is_required()}
    settings = Settings.model_validate(unset | {key.lower(): parsed(value) for key, value in filled_in(name).items()})
    assert settings.neighborconnect_profile == "external"


def test_every_required_setting_is_given_to_a_process() -> None:
    required = {field.upper() for field, info in Settings.model_fields.items() if info.is_required()}
    assert required | {"MONGO_URL"} <= {variable for name in OURS for variable in SERVICES[name]["environment"]}


@pytest.mark.parametrize("name", OURS)
def test_hosts_in_urls_are_services(name: str) -> None:
    hosts = re.findall(r"(?:@|//)([a-z-]+):\d+", " ".join(filled_in(name).values()))
    assert hosts
    assert set(hosts) - {"localhost"} <= set(SERVICES)


@pytest.mark.parametrize("name", OURS)
def test_commands_name_what_exists(name: str) -> None:
    command = SERVICES[name]["command"]
    if command[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(command[2]) is not None
    else:
        assert command[0] == "neighborconnect"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_each_service_tells_its_health_or_ends(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOTS:
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.search(r"\d", tag)
    assert "latest" not in tag


def test_image_has_a_pinned_base_and_an_unprivileged_user() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM")]
    assert len(bases) == 3
    assert all(re.search(r":\d+\.\d+\.\d+-", base) for base in bases)
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    copied = {part for line in lines if line.startswith("COPY ") for part in line.split()[1:-1] if "--" not in part}
    parts = {part for part in copied if not part.startswith("/")}
    assert [part for part in parts if not (ROOT / part).exists()] == []
    sent = set((ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines())
    assert [part for part in parts if not {f"!{part}", f"!{part.split('/')[0]}"} & sent] == []


def test_image_has_the_web_app_where_the_api_looks_for_it() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    folder = Settings.model_fields["web_app_folder"].get_default(call_default_factory=True).relative_to(ROOT)
    assert re.search(rf"^COPY --from=web .*/app/{folder} {folder}$", text, re.MULTILINE)
    package = json.loads((ROOT / "clients" / "web" / "package.json").read_text())
    [version] = re.findall(r"^FROM node:([\d.]+)-", text, re.MULTILINE)
    least = package["engines"]["node"].removeprefix(">=")
    assert tuple(map(int, version.split("."))) >= tuple(map(int, least.split(".")))


def test_each_process_has_its_own_kafka_principal() -> None:
    login = SERVICES["kafka"]["environment"]["KAFKA_LISTENER_NAME_CLIENTS_PLAIN_SASL_JAAS_CONFIG"]
    passwords = dict(re.findall(r'user_([\w-]+)="(\S+?)"', login))
    assert set(passwords) == set(PRINCIPALS)
    for name in OURS:
        environment = SERVICES[name]["environment"]
        principal = environment.get("KAFKA_USERNAME")
        expected = {"prepare": ADMIN, "bootstrap": PIPELINES}.get(name, PRINCIPAL_OF_SERVICE.get(name))
        assert principal == expected
        assert environment.get("KAFKA_PASSWORD") == (passwords[principal] if principal else None)


def test_example_lists_every_secret_without_a_default() -> None:
    variables = wanted_variables()
    optional = {name for name, behind in variables.items() if ":?" not in behind}
    assert optional == {
        "NEIGHBORCONNECT_LOG_LEVEL",
        "CORS_ALLOW_ORIGINS",
        "API_WORKERS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_TRACES_SAMPLER_ARG",
    }
    assert all(behind == {":?"} for name, behind in variables.items() if name not in optional)
    lines = (ROOT / "deploy" / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(example) == set(variables) - optional
    assert set(example.values()) == {""}


def test_published_ports_are_bound_to_loopback() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_volumes_are_named_and_each_is_used() -> None:
    mounts = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert {mount for mount in mounts if not mount.startswith((".", "/"))} == set(COMPOSE["volumes"])
    assert all((ROOT / mount).exists() for mount in mounts if mount.startswith("."))


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.compose-spec", "docker-compose.yml"),
        ("vendor.github-workflows", ".github/workflows/ci.yml"),
        ("custom.github-workflows-require-timeout", ".github/workflows/ci.yml"),
    ],
)
def test_files_meet_their_published_schema(schema: str, file: str) -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [program, "--builtin-schema", schema, ROOT / file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_pre_commit_hooks_are_local_and_valid() -> None:
    file = ROOT / ".pre-commit-config.yaml"
    repositories = yaml.safe_load(file.read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    program = Path(sys.executable).with_name("pre-commit")
    done = subprocess.run([program, "validate-config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dagster_is_told_where_the_code_of_the_pipelines_is(servers: Stack) -> None:
    [location] = yaml.safe_load((ROOT / "dagster_home" / "workspace.yaml").read_text())["load_from"]
    name = location["grpc_server"]["socket"]["env"]
    [code] = [service for service in stack_services(servers).values() if service.name == "dagster-code"]
    assert child_environment(servers)[name] == code.command[-1]
    image = dict(re.findall(r"(DAGSTER_CODE_\w+)=(\S+)", (ROOT / "deploy" / "Dockerfile").read_text()))
    assert image[name] == SERVICES["dagster-code"]["command"][-1]


def test_the_socket_of_the_code_is_in_a_volume_of_dagster_alone() -> None:
    folder = str(Path(SERVICES["dagster-code"]["command"][-1]).parent)
    sharing = {
        name
        for name, service in SERVICES.items()
        if any(volume.split(":")[-1] == folder for volume in service.get("volumes", []))
    }
    assert sharing == {"dagster-code", "dagster-webserver", "dagster-daemon"}


def test_what_only_listens_is_asked_so(tmp_path: Path) -> None:
    path = str(tmp_path / "code.sock")

    def code() -> int:
        command = (sys.executable, str(ROOT / "deploy" / "healthy.py"), f"unix://{path}")
        return subprocess.run(command, check=False).returncode

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        assert code() == 0
    assert code() == 1
