"""The page "Metrics": the Prometheus metrics that the parts declare."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.reference.page import Page, table
from tools.reference.repository import PARTS, ROOT

METRIC_TYPES = {
    **{name: name for name in ("Counter", "Gauge", "Histogram", "Summary")},
    **{f"{name}MetricFamily": name for name in ("Counter", "Gauge", "Histogram")},
}
"""Types of metrics by the class of the Prometheus client that declares one."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A Prometheus metric as its module declares it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    module: str


def declared_metrics() -> list[Metric]:
    """Return the Prometheus metrics that modules of the parts declare, by name; nothing is imported."""
    metrics: list[Metric] = []
    for part in PARTS:
        for path in sorted((ROOT / part).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if "prometheus_client" in source:
                metrics += _metrics_of(ast.parse(source), module=path.relative_to(ROOT).as_posix())
    return sorted(metrics, key=lambda metric: metric.name)


def _metrics_of(tree: ast.Module, *, module: str) -> Iterator[Metric]:
    imported = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"prometheus_client", "prometheus_client.core"}
        for alias in node.names
        if alias.name in METRIC_TYPES
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in imported:
            name, text, *rest = (_literal(argument) for argument in node.args)
            labels = rest or [_literal(keyword.value) for keyword in node.keywords if keyword.arg == "labels"]
            kind = METRIC_TYPES[imported[node.func.id]]
            yield Metric(str(name), kind, tuple(labels[0]) if labels else (), str(text), module)


def _literal(node: ast.expr) -> Any:
    """Return the value of a literal; a variable in a formatted string is shown as ``<name>``."""
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.FormattedValue) else part for part in node.values)
        return "".join(f"<{part.id}>" if isinstance(part, ast.Name) else str(ast.literal_eval(part)) for part in parts)
    return ast.literal_eval(node)


def metrics_page() -> Page:
    """Return the page of Prometheus metrics."""
    page = Page(
        "metrics",
        "Metrics",
        "The API, the model services and the exporter (`monitoring`, port 5006) expose Prometheus metrics at "
        "`/metrics`, to requests with `PLATFORM_TOKEN` as a bearer token. The exporter has the metrics of the workers "
        "without a port, of the stores and of the pipelines; their names begin with `neighborconnect_`. The Prometheus "
        "client appends `_total` to the name of a counter, and `_bucket`, `_sum` and `_count` to that of a histogram.",
    )
    rows = []
    for metric in declared_metrics():
        if not metric.help:
            page.problems.append(f"metric {metric.name} has no help text")
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
        rows.append((f"`{metric.name}`", metric.kind.lower(), labels, metric.help, f"`{metric.module}`"))
    page.sections.append(("", table(("Metric", "Type", "Labels", "Meaning", "Declared in"), rows)))
    return page
