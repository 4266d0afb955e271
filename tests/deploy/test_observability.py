"""Rules, dashboards and their configuration: generated from one source, valid, and about metrics that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from neighborconnect.slo.objectives import read_catalog
from tests.deploy.test_compose import SERVICES
from tools.observability.dashboards import DASHBOARDS, prometheus_queries, warehouse_queries
from tools.observability.files import FOLDER, generated_files
from tools.reference.metrics import declared_metrics
from tools.reference.repository import ROOT

RULES = [
    rule for group in yaml.safe_load((FOLDER / "prometheus/rules.yml").read_text())["groups"] for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
EXPRESSIONS = [*(rule["expr"] for rule in RULES), *prometheus_queries()]
SUFFIXES = {"Counter": ("_total",), "Histogram": ("_bucket", "_sum", "_count")}


def parts_of(expression: Any) -> Iterator[Any]:
    """Yield an expression and every one in it."""
    yield expression
    for name in ("lhs", "rhs", "expr", "param", "args", "vector_selector"):
        inner = getattr(expression, name, None)
        for part in inner if isinstance(inner, list) else [inner]:
            if part is not None and not isinstance(part, str | int | float):
                yield from parts_of(part)


def metrics_of(expression: str) -> set[str]:
    """Return the names of the time series that a PromQL expression reads; raises for an invalid one."""
    parts = parts_of(promql_parser.parse(expression))
    return {part.name for part in parts if isinstance(part, promql_parser.VectorSelector)}


def declared_series() -> set[str]:
    """Return the time series that the code declares, those of rules included."""
    names = {"up", *(rule["record"] for rule in RULES if "record" in rule)}
    for metric in declared_metrics():
        expanded = [metric.name.replace("<service>", name) for name in ("content", "image", "video")]
        for name in expanded if "<" in metric.name else [metric.name]:
            names |= {name + suffix for suffix in SUFFIXES.get(metric.kind, ("",))}
    return names


def test_files_are_what_the_generator_writes() -> None:
    written = {path for folder in ("prometheus", "grafana/dashboards") for path in (FOLDER / folder).iterdir()}
    by_hand = {FOLDER / "prometheus" / name for name in ("prometheus.yml", "rules.test.yml")}
    assert written == set(generated_files()) | by_hand
    different = [path.name for path, text in generated_files().items() if path.read_text(encoding="utf-8") != text]
    assert different == [], "run `python -m tools.observability`"


def test_expressions_are_valid_and_their_metrics_declared() -> None:
    used = {name for expression in EXPRESSIONS for name in metrics_of(expression)}
    assert len(used) > 30
    assert used - declared_series() == set()


def test_a_name_that_no_code_declares_is_noticed() -> None:
    assert metrics_of("sum(rate(api_request_total[5m])) > 0 and no_such_metric") - declared_series() == {
        "api_request_total",
        "no_such_metric",
    }


def test_thresholds_of_latency_are_buckets_of_their_histogram() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "transactional_api/core/http").glob("*.py"))
    api = {float(bound) for bound in re.findall(r"buckets=\(([^)]*)\)", sources)[0].split(",")}
    from neighborconnect.contracts.health import LATENCY_BOUNDS  # noqa: PLC0415

    bounds = {"api_request_seconds": api, "neighborconnect_event_latency_seconds": set(LATENCY_BOUNDS)}
    latencies = [objective.latency for objective in read_catalog().objectives if objective.latency]
    assert latencies
    assert all(latency.threshold in bounds[latency.histogram] for latency in latencies)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_each_alert_has_a_runbook(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["summary"]
    assert (ROOT / rule["annotations"]["runbook_url"]).is_file()


def test_alerts_of_each_objective_are_unit_tested_or_alike() -> None:
    tested = (FOLDER / "prometheus/rules.test.yml").read_text()
    kinds = {
        kind
        for objective in read_catalog().objectives
        for kind in ("events", "latency", "freshness")
        if getattr(objective, kind) and f"slo: {objective.name}}}" in tested
    }
    assert kinds == {"events", "latency", "freshness"}


def test_queries_of_the_warehouse_read_marts_and_their_columns() -> None:
    described = {}
    for path in (ROOT / "dbt_project/models/marts").glob("*.yml"):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            described[model["name"]] = {column["name"] for column in model["columns"]}
    for query in warehouse_queries():
        [mart] = re.findall(r"FROM marts\.(\w+)", query)
        words = set(re.findall(r"\b[a-z]\w+\b", re.sub(r"AS \w+|\$\w+|::[a-z ]+|'[^']*'", " ", query)))
        functions = {"sum", "max", "nullif", "marts", mart}
        assert words - functions <= described[mart], query


def test_dashboards_have_distinct_panels_and_known_sources() -> None:
    sources = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/datasources.yml").read_text())["datasources"]
    known = {source["uid"] for source in sources}
    for spec in DASHBOARDS:
        board = json.loads((FOLDER / f"grafana/dashboards/{spec.uid}.json").read_text())
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        assert {panel["datasource"]["uid"] for panel in panels} <= known
        assert all(panel["targets"] for panel in panels)


def test_prometheus_scrapes_every_process_with_metrics() -> None:
    [job] = yaml.safe_load((FOLDER / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = {target for each in job["static_configs"] for target in each["targets"]}
    # Each process itself, not the gateway in front of it.
    serving = {
        "api": "API",
        "monitoring": "MONITORING",
        "bento": "RECOMMENDATION",
        "bento-content": "CONTENT",
        "bento-matching": "MATCHING",
        "bento-image": "IMAGE",
        "bento-video": "VIDEO",
    }
    ports = {
        name: SERVICES[name]["environment"][f"{setting}_LISTEN"].rpartition(":")[2] for name, setting in serving.items()
    }
    assert targets == {f"{name}:{port}" for name, port in ports.items()}
    reachable = set(SERVICES["prometheus"]["networks"])
    assert all(set(SERVICES[target.partition(":")[0]]["networks"]) & reachable for target in targets)


def test_mounted_configuration_exists() -> None:
    mounts = [
        volume for name in ("prometheus", "alertmanager", "grafana", "jaeger") for volume in SERVICES[name]["volumes"]
    ]
    files = [Path(mount.split(":")[0]) for mount in mounts if mount.startswith("./")]
    assert len(files) == 6
    assert all((ROOT / file).exists() for file in files)
