"""The Helm chart renders valid objects that agree with the settings, the compose file and the code."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml
from fastapi.routing import APIRoute, APIWebSocketRoute
from referencing import Registry, Resource

from bentos import serving
from local_stack.kafka_principals import ADMIN, PRINCIPAL_OF_SERVICE, PRINCIPALS
from neighborconnect.contracts.topics import PARTITIONS
from neighborconnect.settings import Settings
from pipelines.monitoring.application import HEALTH_PATH as MONITORING_HEALTH
from pipelines.webserver import HEALTH_PATH as DAGSTER_HEALTH
from tests.deploy.chart import (
    CASES,
    COMPONENTS,
    DEFAULT,
    PREFIX,
    Object,
    Workload,
    dagster_config,
    helm,
    objects,
    of_kind,
    run_job,
    values_arguments,
    workloads,
)
from tests.deploy.reads import settings_read
from tests.deploy.test_compose import ONE_SHOTS, OURS, ROOT, SERVICES, parsed
from tests.deploy.test_least_privilege import SECRETS as FROM_ENVIRONMENT_FILE
from tests.deploy.test_least_privilege import _is_asked
from tools.gateway.envoy import TRACE_HEADERS
from tools.helm import HELM_PACKAGES
from tools.helm_values.models import Values, free_settings, secret_settings
from tools.helm_values.schema import CHART, SCHEMA_FILE, schema_text
from transactional_api.community.chat import socket
from transactional_api.core.http import health
from transactional_api.core.http.middleware import LARGER, LIMITS

RUN = "dagster-run"
# Values of the file `.env` that are no secrets.
SECRETS = FROM_ENVIRONMENT_FILE - {"cors_allow_origins", "api_workers"}
CUSTOM = {"Gateway", "HTTPRoute", "ClientTrafficPolicy", "BackendTrafficPolicy"}
OLDEST, NEWEST = "1.30", "1.37"
# Where each setting leads: to a store outside of the chart, or to a component.
STORES = {
    "database_url": "postgresql",
    "warehouse_url": "postgresql",
    "mlflow_database_url": "postgresql",
    "dagster_database_url": "postgresql",
    "feast_database_url": "postgresql",
    "redis_url": "redis",
    "feast_redis_url": "redis",
    "kafka_bootstrap_servers": "kafka",
    "s3_endpoint_url": "s3",
    "mongo_url": "mongodb",
}
MIB = 1024 * 1024
# Its own function reads all definitions again for every object.
SCHEMAS = HELM_PACKAGES / "kubernetes_validate" / "kubernetes-json-schema"


def cases() -> Any:
    return pytest.mark.parametrize("case", CASES)


def with_run(case: str) -> list[Workload]:
    """Return all workloads and the one of a Dagster run."""
    return [*workloads(objects(case)), *workloads([run_job(case)])]


def compose_name(component: str) -> str:
    return "dagster-code" if component == RUN else component


def test_the_schema_of_the_values_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run `python -m tools.helm_values`"


def test_the_default_values_meet_their_models() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    Values.model_validate(values)
    assert set(values["components"]) == set(COMPONENTS)


def test_the_chart_has_the_version_of_the_platform() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    tag = SERVICES["api"]["image"].rpartition(":")[2]
    assert (chart["version"], chart["appVersion"]) == (tag, tag)


@cases()
def test_lint_has_no_findings(case: str) -> None:
    done = helm("lint", "--strict", str(CHART), *values_arguments(case))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("logLevel=LOUD", "/logLevel"),
        ("components.api.replicas=many", "/components/api/replicas"),
        ("components.api.resources.limits.memory=plenty", "/components/api/resources/limits/memory"),
        ("components.api.replica=2", "'replica'"),
        ("components.stream-features.replicas=2", "'replicas'"),
        ("componentz.api.replicas=2", "'componentz'"),
        ("secrets.references.DATABASE_URL=postgresql://user:password@host/name", "/secrets/references/DATABASE_URL"),
        ("secrets.references.DATABASE_URI.name=other", "'DATABASE_URI'"),
        ("settings.JWT_SECRET=visible", "'JWT_SECRET'"),
        ("settings.NO_SETTING=1", "'NO_SETTING'"),
        ("settings.API_URL=http://elsewhere", "'API_URL'"),
        ("stores.kafka.securityProtocol=NONE", "/stores/kafka/securityProtocol"),
        ("gateway.kind=NodePort", "/gateway/kind"),
    ],
)
def test_wrong_values_are_refused(setting: str, named: str) -> None:
    done = helm("template", "nc", str(CHART), "--set", setting)
    assert done.returncode != 0
    assert "don't meet the specifications of the schema" in done.stderr
    assert named in done.stderr


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (("components.api.rollout.strategy=canary",), "set gateway.kind to HTTPRoute"),
        (("gateway.kind=Ingress",), "gateway.host"),
        (("gateway.kind=Ingress", "gateway.host=api.example.org"), "gateway.trustedProxies"),
    ],
)
def test_values_that_contradict_each_other_are_refused(settings: tuple[str, ...], remedy: str) -> None:
    done = helm("template", "nc", str(CHART), *(part for each in settings for part in ("--set", each)))
    assert done.returncode != 0
    assert remedy in done.stderr


@cache
def _schema(version: str, kind: str) -> Any:
    folder = SCHEMAS / f"v{version}.0-local-strict"
    definitions = Resource.from_contents(json.loads((folder / "_definitions.json").read_text()))
    schema = json.loads((folder / f"{kind}.json").read_text())
    return jsonschema.Draft202012Validator(schema, registry=definitions @ Registry())


@cases()
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_objects_are_valid_for_kubernetes(case: str, version: str) -> None:
    found = objects(case)
    for each in [*found, run_job(case)]:
        if each["kind"] not in CUSTOM:
            group, _, name = each["apiVersion"].rpartition("/")
            kind = "-".join([each["kind"].lower(), *([group.partition(".")[0]] if group else []), name])
            errors = [f"{error.json_path}: {error.message}" for error in _schema(version, kind).iter_errors(each)]
            assert errors == [], each["metadata"]["name"]
    assert {each["kind"] for each in found} >= {"Deployment", "Service", "NetworkPolicy", "Job"}


@cases()
def test_names_are_unique(case: str) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in objects(case)]
    assert len(names) == len(set(names))


def test_every_process_of_the_compose_file_is_a_component() -> None:
    assert set(COMPONENTS) == set(OURS) - ONE_SHOTS


@cases()
def test_commands_and_ports_are_those_of_the_compose_file(case: str) -> None:
    for work in workloads(objects(case)):
        command = work.container["command"]
        if work.component == "dagster-code":
            # Over TCP: in a cluster no volume with a socket is shared.
            at = SERVICES[work.component]["command"].index("--socket")
            assert command == [*SERVICES[work.component]["command"][:at], "--host", "0.0.0.0", "--port", "4000"]  # noqa: S104
            continue
        assert command == SERVICES[work.component]["command"]
        listen = COMPONENTS.get(work.component, {}).get("listen")
        if listen:
            [port] = [entry["containerPort"] for entry in work.container["ports"]]
            assert work.environment[listen] == f"0.0.0.0:{port}"
            assert SERVICES[work.component]["environment"][listen] == work.environment[listen]


@cases()
def test_environment_is_valid_and_complete(case: str) -> None:
    unset = {field: "unset" for field, info in Settings.model_fields.items() if info.is_required()}
    for work in with_run(case):
        names = [entry["name"] for entry in work.container["env"]]
        assert len(names) == len(set(names)), work.name
        ours = {name: value for name, value in work.environment.items() if not name.startswith("DAGSTER_")} | {
            name: value for name, value in work.environment.items() if name in {"DAGSTER_URL", "DAGSTER_LISTEN"}
        }
        assert {name.lower() for name in [*ours, *work.secrets]} <= set(Settings.model_fields), work.name
        settings = Settings.model_validate(unset | {name.lower(): parsed(value) for name, value in ours.items()})
        assert settings.neighborconnect_profile == "external"
        composed = {
            name
            for name, value in SERVICES[compose_name(work.component)]["environment"].items()
            if name.lower() not in FROM_ENVIRONMENT_FILE and not name.startswith("KAFKA_")
        }
        assert composed <= set(ours), work.name


@cases()
def test_each_process_has_exactly_the_secrets_that_it_reads(case: str) -> None:
    for work in with_run(case):
        read = settings_read(SERVICES[compose_name(work.component)]["command"])
        uses_sasl = work.environment["KAFKA_SECURITY_PROTOCOL"].startswith("SASL_")
        left_out = set() if uses_sasl else {"kafka_password"}
        if work.environment["DOCUMENT_STORE"] != "mongodb":
            left_out |= {"mongo_url"}
        given = {name.lower() for name, source in work.secrets.items() if not source.get("optional")}
        assert given == (read & SECRETS) - left_out, work.name
        optional = {name.lower() for name, source in work.secrets.items() if source.get("optional")}
        assert optional == (read & {name.lower() for name in secret_settings()}) - SECRETS, work.name


@cases()
def test_no_object_contains_a_secret(case: str) -> None:
    found = objects(case)
    assert not of_kind(found, "Secret")
    for work in with_run(case):
        assert not {name.upper() for name in [*SECRETS, *secret_settings()]} & set(work.environment), work.name
        assert "envFrom" not in work.container or not work.container["envFrom"]


def test_secrets_are_referenced_where_the_values_say() -> None:
    found = {work.component: work for work in workloads(objects("external-secrets"))}
    assert found["relay"].secrets["DATABASE_URL"] == {"name": "postgresql-product", "key": "uri"}
    assert found["relay"].secrets["KAFKA_PASSWORD"] == {"name": "kafka-relay", "key": "password"}
    assert found["monitoring"].secrets["KAFKA_PASSWORD"] == {
        "name": "neighborconnect-keys",
        "key": "KAFKA_PASSWORD_MONITORING",
    }


def test_each_process_has_its_own_kafka_principal() -> None:
    for work in with_run(DEFAULT):
        expected = ADMIN if work.component == "prepare" else PRINCIPAL_OF_SERVICE.get(compose_name(work.component))
        assert work.environment.get("KAFKA_USERNAME") == expected, work.name
        if expected:
            assert expected in PRINCIPALS
            key = f"KAFKA_PASSWORD_{expected.upper().replace('-', '_')}"
            assert work.secrets["KAFKA_PASSWORD"]["key"] == key


@cases()
def test_every_container_is_confined(case: str) -> None:
    for work in with_run(case):
        pod, container = work.pod["securityContext"], work.container["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] == pod["runAsGroup"] == pod["fsGroup"] == 10001
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["readOnlyRootFilesystem"] is True
        assert container["allowPrivilegeEscalation"] is False
        assert container["privileged"] is False
        assert container["capabilities"] == {"drop": ["ALL"]}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & {name for name, value in work.pod.items() if value}
        assert {kind for volume in work.pod["volumes"] for kind in volume if kind != "name"} <= {
            "emptyDir",
            "configMap",
        }
        assert work.pod["enableServiceLinks"] is False


def test_the_user_is_that_of_the_image() -> None:
    assert "--uid 10001" in (ROOT / "deploy" / "Dockerfile").read_text()


def _bytes(quantity: str) -> int:
    units = {"Ki": 1024, "Mi": MIB, "Gi": 1024 * MIB}
    return int(quantity[:-2]) * units[quantity[-2:]]


@cases()
def test_every_container_has_requests_and_limits(case: str) -> None:
    for work in with_run(case):
        resources = work.container["resources"]
        assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}, work.name
        assert _bytes(resources["requests"]["memory"]) <= _bytes(resources["limits"]["memory"]), work.name


@cases()
def test_every_deployment_has_probes_that_its_process_answers(case: str) -> None:
    paths = {
        "api": {route.path for route in health.router.routes if isinstance(route, APIRoute)},
        "monitoring": {MONITORING_HEALTH},
        "dagster-webserver": {DAGSTER_HEALTH},
        # Compared with the health check of the compose file.
        "mlflow": {"/health"},
        **{name: set(serving._PROBES) for name in COMPONENTS if name.startswith("bento")},
    }
    for work in workloads(objects(case)):
        if work.kind == "Job":
            continue
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            check = work.container[probe]
            if "httpGet" in check:
                assert check["httpGet"]["path"] in paths[work.component], work.name
                assert check["httpGet"]["port"] in {port["name"] for port in work.container["ports"]}
        check = work.container["readinessProbe"]
        test = SERVICES[work.component]["healthcheck"]["test"]
        if "httpGet" in check:
            assert urlsplit(test[-1]).path == check["httpGet"]["path"]
        elif "grpc" in check:
            assert check["grpc"] == {"port": 4000, "service": "DagsterApi"}
        else:
            command = check["exec"]["command"]
            assert test[1:] == command[: len(test) - 1]


@pytest.mark.parametrize("component", ["mlflow", "dagster-webserver"])
def test_processes_that_check_hosts_are_probed_by_a_valid_name(component: str) -> None:
    [work] = [work for work in workloads(objects(DEFAULT)) if work.component == component]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert work.container[probe]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "localhost"}]


@cases()
def test_every_service_selects_one_deployment(case: str) -> None:
    found = objects(case)
    pods = [work for work in workloads(found) if work.kind == "Deployment"]
    for name, service in of_kind(found, "Service").items():
        selector = service["spec"]["selector"].items()
        selected = [work for work in pods if selector <= work.labels.items()]
        assert len(selected) == 1, name
        names = {port["name"] for port in selected[0].container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
        assert service["spec"]["type"] == "ClusterIP"


@cases()
def test_addresses_in_settings_are_services(case: str) -> None:
    found = objects(case)
    services = {
        f"{name}:{port['port']}" for name, each in of_kind(found, "Service").items() for port in each["spec"]["ports"]
    }
    for work in with_run(case):
        addresses = {
            urlsplit(value).netloc for value in work.environment.values() if value.startswith(f"http://{PREFIX}")
        }
        assert len(addresses) == 9
        assert addresses <= services


def _selects(selector: Object, labels: Any) -> bool:
    return selector["matchLabels"].items() <= labels.items()


def _allows(rules: list[Object], peer: str, labels: Any, port: int) -> bool:
    return any(
        port in {entry["port"] for entry in rule["ports"]}
        and any("namespaceSelector" not in each and _names(each, labels) for each in rule[peer] or [])
        for rule in rules
    )


def _names(peer: Object, labels: Any) -> bool:
    return "podSelector" in peer and _selects(peer["podSelector"], labels)


def policies_of(found: list[Object], labels: Any) -> list[Object]:
    """Return the rules that apply to a pod, except those of the default, which allows nothing."""
    policies = [each["spec"] for each in of_kind(found, "NetworkPolicy").values()]
    return [each for each in policies if _selects(each["podSelector"], labels)]


@cases()
def test_traffic_is_denied_unless_a_policy_allows_it(case: str) -> None:
    found = objects(case)
    default = of_kind(found, "NetworkPolicy")[f"{PREFIX}default-deny"]["spec"]
    assert default["policyTypes"] == ["Ingress", "Egress"]
    assert not default.get("ingress")
    assert not default.get("egress")
    for work in with_run(case):
        assert _selects(default["podSelector"], work.labels), work.name
        assert len(policies_of(found, work.labels)) == 2, work.name


@cases()
def test_policies_allow_exactly_the_calls_of_the_code(case: str) -> None:
    found = objects(case)
    works = [work for work in with_run(case) if work.labels.get("neighborconnect.io/track") != "canary"]
    called = {
        (f"{PREFIX}{work.component}", port["containerPort"]): work
        for work in works
        for port in work.container.get("ports", [])
    }
    expected, allowed = set[tuple[str, str]](), set[tuple[str, str]]()
    for work in works:
        name = compose_name(work.component)
        for setting in settings_read(SERVICES[name]["command"]):
            address = urlsplit(work.environment.get(setting.upper(), ""))
            callee = called.get((str(address.hostname), address.port or 0))
            if callee and callee.component != work.component and _is_asked(name, setting):
                expected.add((work.component, callee.component))
        if work.component in {"dagster-webserver", "dagster-daemon"}:
            expected.add((work.component, "dagster-code"))
        for callee in called.values():
            port = callee.container["ports"][0]["containerPort"]
            outgoing = [rule for each in policies_of(found, work.labels) for rule in each.get("egress") or []]
            incoming = [rule for each in policies_of(found, callee.labels) for rule in each.get("ingress") or []]
            leaves = _allows(outgoing, "to", callee.labels, port)
            enters = _allows(incoming, "from", work.labels, port)
            assert leaves == enters, (work.name, callee.name)
            if leaves:
                allowed.add((work.component, callee.component))
    assert allowed == expected


@cases()
def test_policies_lead_to_the_stores_that_the_code_reads(case: str) -> None:
    found = objects(case)
    values = yaml.safe_load((CHART / "values.yaml").read_text())["networkPolicy"]["stores"]
    for work in with_run(case):
        read = settings_read(SERVICES[compose_name(work.component)]["command"])
        stores = {STORES[setting] for setting in read & set(STORES)}
        if work.environment["DOCUMENT_STORE"] != "mongodb":
            stores.discard("mongodb")
        ports = {
            entry["port"]
            for policy in policies_of(found, work.labels)
            for rule in policy.get("egress") or []
            for entry in rule["ports"]
        }
        first = {store: values[store]["ports"][0] for store in values}
        certain = {"postgresql", "mongodb"}
        assert {store for store in certain if first[store] in ports} == stores & certain, work.name
        declared = set(COMPONENTS.get(compose_name(work.component), {"stores": stores})["stores"])
        assert declared - {"mongodb"} == stores - {"mongodb"}, work.name


def test_only_senders_and_sign_in_reach_the_internet() -> None:
    found = objects(DEFAULT)
    reaching = {
        name.removeprefix(PREFIX)
        for name, policy in of_kind(found, "NetworkPolicy").items()
        for rule in policy["spec"].get("egress") or []
        for peer in rule["to"] or []
        if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"
    }
    outside = {name for name in COMPONENTS if "edge" in SERVICES[name]["networks"]}
    assert reaching == outside - {"mlflow", "dagster-webserver"} == {"api", "jobs"}


@cases()
def test_only_the_run_launcher_has_credentials_of_the_cluster(case: str) -> None:
    found = objects(case)
    accounts = of_kind(found, "ServiceAccount")
    assert not any(account["automountServiceAccountToken"] for account in accounts.values())
    holding = set()
    for work in with_run(case):
        assert work.pod["serviceAccountName"] in accounts, work.name
        if work.pod["automountServiceAccountToken"]:
            holding.add(work.component)
    assert holding == {"dagster-daemon", "dagster-webserver"}
    [binding] = of_kind(found, "RoleBinding").values()
    assert {subject["name"] for subject in binding["subjects"]} == {f"{PREFIX}{name}" for name in holding}
    [role] = of_kind(found, "Role").values()
    verbs = {verb for rule in role["rules"] for verb in rule["verbs"]}
    resources = {resource for rule in role["rules"] for resource in rule["resources"]}
    assert "*" not in verbs | resources
    assert "secrets" not in resources


@cases()
def test_replicas_are_spread_and_evicted_one_at_a_time(case: str) -> None:
    found = objects(case)
    budgets = {name.removeprefix(PREFIX): each["spec"] for name, each in of_kind(found, "PodDisruptionBudget").items()}
    assert set(budgets) == {name for name, spec in COMPONENTS.items() if not spec.get("single")}
    assert all(budget["maxUnavailable"] == 1 for budget in budgets.values())
    for work in workloads(found):
        if work.component in budgets:
            assert _selects(budgets[work.component]["selector"], work.labels)
            spread = work.pod["topologySpreadConstraints"] or []
            assert len(spread) == (0 if case == "small" else 2)
            assert all(_selects(each["labelSelector"], work.labels) for each in spread)


@cases()
def test_single_components_are_replaced_and_not_doubled(case: str) -> None:
    for name, deployment in of_kind(objects(case), "Deployment").items():
        component = deployment["metadata"]["labels"]["neighborconnect.io/component"]
        if COMPONENTS[component].get("single"):
            assert deployment["spec"]["replicas"] == 1, name
            assert deployment["spec"]["strategy"] == {"type": "Recreate"}, name
        else:
            assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, name


@cases()
def test_autoscalers_target_deployments_and_metrics_that_exist(case: str) -> None:
    found = objects(case)
    deployments = of_kind(found, "Deployment")
    exported = "\n".join(path.read_text() for path in (ROOT / "pipelines" / "monitoring").glob("*.py"))
    for name, each in of_kind(found, "HorizontalPodAutoscaler").items():
        target = deployments[each["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"], name
        assert each["spec"]["metrics"], name
        assert each["spec"]["minReplicas"] <= each["spec"]["maxReplicas"]
        for metric in each["spec"]["metrics"]:
            if metric["type"] == "External":
                assert f'"{metric["external"]["metric"]["name"]}"' in exported
    values = yaml.safe_load((CHART / "values.yaml").read_text())["components"]
    for component in ("ingest-lake", "ingest-warehouse"):
        autoscaling = values[component]["autoscaling"]
        assert autoscaling["maxReplicas"] == PARTITIONS
        assert autoscaling["external"]["labels"] == {"group": component}


@cases()
def test_the_schema_is_migrated_before_a_release(case: str) -> None:
    [job] = of_kind(objects(case), "Job").values()
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    [work] = workloads([job])
    assert work.container["command"] == SERVICES["prepare"]["command"]
    account = of_kind(objects(case), "ServiceAccount")[work.pod["serviceAccountName"]]
    assert int(account["metadata"]["annotations"]["helm.sh/hook-weight"]) < int(
        job["metadata"]["annotations"]["helm.sh/hook-weight"]
    )


def test_a_canary_receives_its_share() -> None:
    found = objects("canary")
    deployments = of_kind(found, "Deployment")
    stable, canary = deployments[f"{PREFIX}api"], deployments[f"{PREFIX}api-canary"]
    assert (stable["spec"]["replicas"], canary["spec"]["replicas"]) == (9, 1)
    images = [each["spec"]["template"]["spec"]["containers"][0]["image"] for each in (stable, canary)]
    assert images == ["neighborconnect/platform:0.1.0", "neighborconnect/platform:0.2.0"]
    for route in of_kind(found, "HTTPRoute").values():
        [rule] = route["spec"]["rules"]
        assert {each["name"]: each["weight"] for each in rule["backendRefs"]} == {
            f"{PREFIX}api": 90,
            f"{PREFIX}api-canary": 10,
        }
        assert {each["name"] for each in rule["backendRefs"]} <= set(of_kind(found, "Service"))


@pytest.mark.parametrize(("active", "tags"), [("blue", ("0.1.0", "0.2.0")), ("green", ("0.2.0", "0.1.0"))])
def test_blue_and_green_are_exchanged_by_one_value(active: str, tags: tuple[str, str]) -> None:
    rollout = "components.api.rollout"
    found = objects(
        DEFAULT,
        "--set",
        f"{rollout}.strategy=blueGreen,{rollout}.blueGreen.active={active}",
        "--set-string",
        f"{rollout}.blueGreen.blueTag=0.1.0,{rollout}.blueGreen.greenTag=0.2.0",
    )
    pods = [work for work in workloads(found) if work.component == "api"]
    serving_tags = []
    for name in (f"{PREFIX}api", f"{PREFIX}api-preview"):
        selector = of_kind(found, "Service")[name]["spec"]["selector"]
        [selected] = [work for work in pods if selector.items() <= work.labels.items()]
        serving_tags.append(selected.container["image"].rpartition(":")[2])
    assert tuple(serving_tags) == tags


@pytest.mark.parametrize("case", ["production", "canary"])
def test_the_gateway_ends_tls_and_checks_health(case: str) -> None:
    found = objects(case)
    [gateway] = of_kind(found, "Gateway").values()
    [listener] = gateway["spec"]["listeners"]
    assert (listener["protocol"], listener["tls"]["mode"]) == ("HTTPS", "Terminate")
    [client] = of_kind(found, "ClientTrafficPolicy").values()
    assert client["spec"]["tls"]["minVersion"] == "1.2"
    routes = of_kind(found, "HTTPRoute")
    policies = of_kind(found, "BackendTrafficPolicy")
    assert set(routes) == set(policies) == {f"{PREFIX}api", f"{PREFIX}sockets"}
    for name, policy in policies.items():
        assert [each["name"] for each in policy["spec"]["targetRefs"]] == [name]
        assert policy["spec"]["healthCheck"]["active"]["http"]["path"] == "/readyz"
        assert policy["spec"]["rateLimit"]["local"]["rules"]
    # A buffered request is forwarded at its end, which a socket has not.
    assert "requestBuffer" not in policies[f"{PREFIX}sockets"]["spec"]
    largest = max(limits.body_bytes for limits in [LIMITS, *LARGER.values()])
    assert _bytes(policies[f"{PREFIX}api"]["spec"]["requestBuffer"]["limit"]) > largest
    sockets = {route.path for route in socket.router.routes if isinstance(route, APIWebSocketRoute)}
    prefix = routes[f"{PREFIX}sockets"]["spec"]["rules"][0]["matches"][0]["path"]["value"]
    assert sockets
    assert all(path.startswith(prefix) for path in sockets)


@pytest.mark.parametrize("case", ["production", "canary"])
def test_routes_remove_the_trace_of_clients(case: str) -> None:
    for route in of_kind(objects(case), "HTTPRoute").values():
        for rule in route["spec"]["rules"]:
            [modified] = [each for each in rule["filters"] if each["type"] == "RequestHeaderModifier"]
            assert modified["requestHeaderModifier"]["remove"] == TRACE_HEADERS


@pytest.mark.parametrize("case", ["production", "canary", "external-secrets"])
def test_the_api_trusts_the_gateway_alone(case: str) -> None:
    found = objects(case)
    values = yaml.safe_load((CHART / "ci" / f"{case}.yaml").read_text())
    for work in workloads(found):
        if work.component == "api":
            assert json.loads(work.environment["TRUSTED_PROXIES"]) == values["gateway"]["trustedProxies"]
    entering = [
        name.removeprefix(PREFIX)
        for name, policy in of_kind(found, "NetworkPolicy").items()
        for rule in policy["spec"].get("ingress") or []
        for peer in rule["from"]
        if peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
        in {"envoy-gateway-system", "ingress"}
    ]
    assert entering == ["api"]


def test_without_a_gateway_nothing_outside_reaches_the_api() -> None:
    found = objects("small")
    assert not {each["kind"] for each in found} & (CUSTOM | {"Ingress"})
    for name, policy in of_kind(found, "NetworkPolicy").items():
        for rule in policy["spec"].get("ingress") or []:
            assert all("podSelector" in peer and "namespaceSelector" not in peer for peer in rule["from"]), name


def test_dagster_runs_as_the_instance_of_the_repository() -> None:
    local = yaml.safe_load((ROOT / "dagster_home" / "dagster.yaml").read_text())
    rendered = dagster_config(objects(DEFAULT))
    assert set(rendered) == set(local)
    differing = {name for name in local if local[name] != rendered[name]}
    # Runs are Jobs, whose start takes longer and whose logs the cluster collects.
    assert differing == {"run_launcher", "compute_logs", "run_monitoring"}
    workspace = yaml.safe_load(of_kind(objects(DEFAULT), "ConfigMap")[f"{PREFIX}dagster"]["data"]["workspace.yaml"])
    [location] = workspace["load_from"]
    assert location["grpc_server"]["host"] in of_kind(objects(DEFAULT), "Service")


def test_the_image_contains_the_run_launcher() -> None:
    assert "--extra cluster" in (ROOT / "deploy" / "Dockerfile").read_text()


def test_settings_that_the_values_may_set_are_no_secrets() -> None:
    assert not set(free_settings()) & {name.upper() for name in [*SECRETS, *secret_settings()]}
    assert {"RATE_LIMIT_READS", "MEDIA_QUOTA_MIB", "CDN_BASE_URL"} <= set(free_settings())
