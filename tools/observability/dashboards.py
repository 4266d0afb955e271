"""Grafana dashboards: service, streams, features, models, and business figures from the marts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import dashboard, stat, table, timeseries
from grafana_foundation_sdk.builders import prometheus as prometheus_builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = "prometheus"
WAREHOUSE = "warehouse"
"""Ids of the data sources in ``deploy/observability/grafana/provisioning``."""
_HALF, _THIRD, _FULL = 12, 8, 24
_HEIGHT = 8
_FEEDS = 'route=~".*/recommendations/(home|content|connectors|events|marketplace)"'
_WRITES = 'method=~"POST|PUT|PATCH|DELETE"'


@dataclass(frozen=True, slots=True)
class Series:
    """One query of a panel: PromQL, or SQL for the warehouse, and the legend of its series."""

    query: str
    legend: str = "__auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelSpec:
    """One panel of a dashboard."""

    title: str
    series: Sequence[Series]
    unit: str = "short"
    description: str = ""
    kind: str = "graph"
    source: str = PROMETHEUS
    span: int = _HALF


@dataclass(frozen=True, slots=True)
class DashboardSpec:
    """A dashboard: rows of panels under a heading."""

    uid: str
    title: str
    description: str
    rows: Sequence[tuple[str, Sequence[PanelSpec]]]
    since: str = "now-6h"


class SqlQuery(Builder[Any]):
    """Query of Grafana's PostgreSQL data source, which the SDK has no builder for."""

    def __init__(self, query: str, ref_id: str) -> None:
        self._query = _Raw(
            {
                "refId": ref_id,
                "datasource": {"type": "grafana-postgresql-datasource", "uid": WAREHOUSE},
                "format": "table",
                "rawQuery": True,
                "editorMode": "code",
                "rawSql": query,
            }
        )

    def build(self) -> Any:
        """Return the query."""
        return self._query


class _Raw:
    """Object that the SDK's encoder writes as it is."""

    def __init__(self, value: dict[str, Any]) -> None:
        self._value = value

    def to_json(self) -> dict[str, Any]:
        """Return the object."""
        return self._value


def _quantile(quantile: float, metric: str, selector: str, by: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le, {by}) (rate({metric}_bucket{{{selector}}}[5m])))"


SERVICE = DashboardSpec(
    "service",
    "Service",
    "What users get: requests, errors, latency, and the error budgets of the objectives.",
    [
        (
            "Objectives",
            [
                PanelSpec(
                    title="Burn rate of each error budget",
                    series=[Series("slo:error_ratio:rate1h / on (slo) slo:error_budget:ratio", "{{slo}}")],
                    description="1 uses up the budget in exactly 30 days; above 14.4 somebody is paged.",
                ),
                PanelSpec(
                    title="Share of bad events in three days",
                    series=[Series("slo:error_ratio:rate3d", "{{slo}}")],
                    unit="percentunit",
                ),
            ],
        ),
        (
            "API",
            [
                PanelSpec(
                    title="Requests",
                    series=[Series("sum by (status) (rate(api_requests_total[5m]))", "{{status}}")],
                    unit="reqps",
                ),
                PanelSpec(
                    title="Server errors by route",
                    series=[
                        Series(
                            'topk(10, sum by (method, route) (rate(api_requests_total{status=~"5.."}[5m])) > 0)',
                            "{{method}} {{route}}",
                        )
                    ],
                    unit="reqps",
                ),
                PanelSpec(
                    title="Latency of feeds",
                    series=[
                        Series(_quantile(0.5, "api_request_seconds", _FEEDS, "route"), "p50 {{route}}"),
                        Series(_quantile(0.99, "api_request_seconds", _FEEDS, "route"), "p99 {{route}}"),
                    ],
                    unit="s",
                ),
                PanelSpec(
                    title="Latency of writes, the slowest routes",
                    series=[
                        Series(f"topk(10, {_quantile(0.99, 'api_request_seconds', _WRITES, 'route')})", "p99 {{route}}")
                    ],
                    unit="s",
                ),
            ],
        ),
        (
            "Jobs and stores",
            [
                PanelSpec(
                    title="Stores that do not respond",
                    series=[Series("1 - neighborconnect_collector_up", "{{collector}}")],
                ),
                PanelSpec(
                    title="Jobs",
                    series=[
                        Series("neighborconnect_jobs", "{{lane}} {{state}}"),
                        Series("neighborconnect_failed_jobs", "failed {{task}}"),
                    ],
                ),
                PanelSpec(
                    title="Oldest due job",
                    series=[Series("neighborconnect_jobs_oldest_due_age_seconds", "{{lane}}")],
                    unit="s",
                ),
                PanelSpec(
                    title="Space on disk",
                    series=[
                        Series("neighborconnect_disk_free_bytes", "free"),
                        Series("neighborconnect_disk_size_bytes", "size"),
                    ],
                    unit="bytes",
                ),
                PanelSpec(
                    title="PostgreSQL: connections",
                    series=[
                        Series("neighborconnect_postgres_connections", "{{database}}"),
                        Series("neighborconnect_postgres_max_connections", "limit"),
                    ],
                ),
                PanelSpec(
                    title="PostgreSQL: oldest transaction",
                    series=[Series("neighborconnect_postgres_oldest_transaction_age_seconds", "{{database}}")],
                    unit="s",
                ),
                PanelSpec(
                    title="PostgreSQL: size and write-ahead log",
                    series=[
                        Series("neighborconnect_postgres_database_bytes", "{{database}}"),
                        Series("rate(neighborconnect_postgres_wal_bytes_total[5m])", "log, in a second"),
                    ],
                    unit="bytes",
                ),
                PanelSpec(
                    title="Redis: memory, hit rate and evictions",
                    series=[
                        Series("neighborconnect_redis_memory_bytes", "memory of {{server}}"),
                        Series("rate(neighborconnect_redis_evicted_keys_total[5m])", "evictions of {{server}}"),
                        Series(
                            'sum by (server) (rate(neighborconnect_redis_lookups_total{outcome="hit"}[5m])) '
                            "/ sum by (server) (rate(neighborconnect_redis_lookups_total[5m]))",
                            "hit rate of {{server}}",
                        ),
                    ],
                ),
            ],
        ),
    ],
)

STREAMS = DashboardSpec(
    "streams",
    "Streams",
    "From the commit of a change to Kafka, the lake, the warehouse and the online features.",
    [
        (
            "Latency from the commit",
            [
                PanelSpec(
                    title=f"p{round(quantile * 100)} by stage",
                    series=[
                        Series(_quantile(quantile, "neighborconnect_event_latency_seconds", "", "stage"), "{{stage}}")
                    ],
                    unit="s",
                )
                for quantile in (0.5, 0.99)
            ],
        ),
        (
            "Backlog",
            [
                PanelSpec(
                    title="Outbox",
                    series=[
                        Series("neighborconnect_outbox_events", "waiting"),
                        Series("neighborconnect_outbox_rejected_events", "rejected"),
                    ],
                ),
                PanelSpec(
                    title="Age of the oldest event in the outbox",
                    series=[Series("neighborconnect_outbox_oldest_event_age_seconds", "age")],
                    unit="s",
                ),
                PanelSpec(
                    title="Lag by consumer group",
                    series=[Series("sum by (group) (neighborconnect_kafka_consumer_lag_events)", "{{group}}")],
                ),
                PanelSpec(
                    title="Lag by topic",
                    series=[
                        Series(
                            "topk(10, sum by (group, topic) (neighborconnect_kafka_consumer_lag_events) > 0)",
                            "{{group}} {{topic}}",
                        )
                    ],
                ),
            ],
        ),
        (
            "Throughput",
            [
                PanelSpec(
                    title="Events published",
                    series=[
                        Series(
                            "topk(10, sum by (topic) (rate(neighborconnect_kafka_topic_end_offset[5m])))", "{{topic}}"
                        )
                    ],
                    unit="cps",
                ),
                PanelSpec(
                    title="Events handled",
                    series=[Series("rate(neighborconnect_worker_handled_events_total[5m])", "{{worker}}")],
                    unit="cps",
                ),
                PanelSpec(
                    title="Workers that do not report",
                    series=[Series("1 - neighborconnect_worker_ready", "{{worker}}")],
                ),
                PanelSpec(
                    title="Dead letters that are not settled",
                    series=[Series("neighborconnect_dead_letters", "{{sink}} {{topic}}")],
                ),
            ],
        ),
    ],
)

FEATURES = DashboardSpec(
    "features",
    "Features and pipelines",
    "Age of features and marts, drift, and the runs of Dagster.",
    [
        (
            "Freshness",
            [
                PanelSpec(
                    title="Age of each feature view",
                    series=[Series("time() - neighborconnect_feature_newest_timestamp_seconds", "{{view}}")],
                    unit="s",
                ),
                PanelSpec(
                    title="Time since each mart was built",
                    series=[
                        Series(
                            'time() - neighborconnect_asset_materialized_timestamp_seconds{group="marts"}', "{{asset}}"
                        )
                    ],
                    unit="s",
                ),
            ],
        ),
        (
            "Drift",
            [
                PanelSpec(
                    title="Features that drifted", series=[Series("neighborconnect_drifted_features", "features")]
                ),
                PanelSpec(
                    title="Largest population stability indexes",
                    series=[Series("topk(10, neighborconnect_feature_drift_psi_ratio)", "{{view}}.{{feature}}")],
                    description="Above 0.25 a feature has drifted.",
                ),
            ],
        ),
        (
            "Dagster",
            [
                PanelSpec(
                    title="Time since the last success",
                    series=[
                        Series("time() - neighborconnect_dagster_job_last_success_timestamp_seconds", "{{job}}"),
                        Series("time() - neighborconnect_dagster_heartbeat_timestamp_seconds", "daemon"),
                    ],
                    unit="s",
                ),
                PanelSpec(
                    title="Runs",
                    series=[
                        Series("neighborconnect_dagster_active_runs", "{{state}}"),
                        Series("neighborconnect_dagster_failed_runs", "failed in 24 h: {{job}}"),
                    ],
                ),
            ],
        ),
    ],
    since="now-2d",
)

MODELS = DashboardSpec(
    "models",
    "Models",
    "Which models answer, how fast, how often a fallback answers instead, and the age of each champion.",
    [
        (
            "Answers",
            [
                PanelSpec(
                    title="Feeds by path and reason of the fallback",
                    series=[
                        Series(
                            "sum by (path, reason_code) (rate(api_recommendations_total[5m]))",
                            "{{path}} {{reason_code}}",
                        )
                    ],
                    unit="reqps",
                ),
                PanelSpec(
                    title="Share of feeds without a model",
                    series=[
                        Series(
                            'sum(rate(api_recommendations_total{path!="model"}[5m])) '
                            "/ sum(rate(api_recommendations_total[5m]))",
                            "share",
                        )
                    ],
                    unit="percentunit",
                ),
                PanelSpec(
                    title="Calls of the model services, p99",
                    series=[Series(_quantile(0.99, "api_inference_seconds", "", "service"), "{{service}}")],
                    unit="s",
                ),
                PanelSpec(
                    title="Calls by outcome",
                    series=[
                        Series(
                            "sum by (service, outcome) (rate(api_inference_seconds_count[5m]))",
                            "{{service}} {{outcome}}",
                        )
                    ],
                    unit="reqps",
                ),
                PanelSpec(
                    title="Rankings of the recommendation service",
                    series=[
                        Series(
                            "sum by (item_kind, reason_code) (rate(recommendation_predictions_total[5m]))",
                            "{{item_kind}} {{reason_code}}",
                        )
                    ],
                    unit="reqps",
                ),
                PanelSpec(
                    title="Predictions of the other services",
                    series=[
                        Series(f"sum by (task, outcome) (rate({name}_predictions_total[5m]))", "{{task}} {{outcome}}")
                        for name in ("content", "image", "video")
                    ],
                    unit="reqps",
                ),
            ],
        ),
        (
            "Champions",
            [
                PanelSpec(
                    title="Champions",
                    series=[Series("neighborconnect_model_champion_info")],
                    kind="table",
                ),
                PanelSpec(
                    title="Age of each champion",
                    series=[Series("time() - neighborconnect_model_champion_trained_timestamp_seconds", "{{model}}")],
                    unit="s",
                ),
            ],
        ),
    ],
    since="now-24h",
)


def _mart(title: str, query: str, *, unit: str = "short", span: int = _HALF) -> PanelSpec:
    return PanelSpec(title=title, series=[Series(query)], unit=unit, source=WAREHOUSE, span=span)


def _in_period(columns: str, mart: str, day: str) -> str:
    """Return the SQL of columns of a daily mart in the period that the dashboard shows."""
    return (
        f"SELECT {day}::timestamp AS time, {columns} FROM marts.{mart} "  # noqa: S608 (constants of this module)
        f"WHERE {day} BETWEEN $__timeFrom()::date AND $__timeTo()::date ORDER BY 1"
    )


def _activity(columns: str) -> str:
    return _in_period(columns, "daily_activity", "activity_date")


BUSINESS = DashboardSpec(
    "business",
    "Community",
    "Activation, retention, posts, answers to events, sales and reports, from the marts of the warehouse.",
    [
        (
            "People",
            [
                _mart(
                    "Active users",
                    _activity("active_users, engaged_users, registrations"),
                ),
                _mart(
                    "Activation of each week's new users",
                    "SELECT cohort_week::timestamp AS time, activation FROM marts.weekly_activation WHERE is_complete "
                    "ORDER BY 1",
                    unit="percentunit",
                ),
                _mart(
                    "Retention after one and four weeks",
                    "SELECT cohort_week::timestamp AS time, max(retention) FILTER (WHERE week_number = 1) AS one_week, "
                    "max(retention) FILTER (WHERE week_number = 4) AS four_weeks FROM marts.weekly_retention "
                    "GROUP BY 1 ORDER BY 1",
                    unit="percentunit",
                ),
                _mart(
                    "Sessions",
                    _activity("sessions, median_session_seconds"),
                ),
            ],
        ),
        (
            "Content",
            [
                _mart(
                    "Posts, comments and likes",
                    _activity("posts, comments, likes"),
                ),
                _mart(
                    "Answers to events, purchases and joins",
                    _activity("rsvps, purchases, joins"),
                ),
                _mart(
                    "Sold share of the items of each week",
                    "SELECT week_start::timestamp AS time, sum(sold)::double precision / nullif(sum(listed), 0) "
                    "AS sold_share FROM marts.weekly_marketplace_prices GROUP BY 1 ORDER BY 1",
                    unit="percentunit",
                ),
                _mart(
                    "Clicks per impression of recommendations",
                    "SELECT prediction_date::timestamp AS time, path AS metric, sum(clicks)::double precision "
                    "/ nullif(sum(impressions), 0) AS click_through FROM marts.daily_recommendation_quality "
                    "WHERE prediction_date BETWEEN $__timeFrom()::date AND $__timeTo()::date GROUP BY 1, 2 ORDER BY 1",
                    unit="percentunit",
                ),
            ],
        ),
        (
            "Safety",
            [
                _mart(
                    "Reports, cases and decisions",
                    _in_period("reports, opened, decided, open_at_end, appeals", "daily_moderation", "day"),
                ),
                _mart(
                    "Hours to a decision",
                    _in_period("median_hours_to_decision, p95_hours_to_decision", "daily_moderation", "day"),
                    unit="h",
                ),
            ],
        ),
    ],
    since="now-90d",
)

DASHBOARDS = (SERVICE, STREAMS, FEATURES, MODELS, BUSINESS)
_BUILDERS: dict[str, Callable[[], Any]] = {"graph": timeseries.Panel, "stat": stat.Panel, "table": table.Panel}


def prometheus_queries() -> list[str]:
    """Return every PromQL query of the dashboards."""
    return [
        series.query
        for spec in DASHBOARDS
        for _, panels in spec.rows
        for panel in panels
        if panel.source == PROMETHEUS
        for series in panel.series
    ]


def warehouse_queries() -> list[str]:
    """Return every SQL query of the dashboards."""
    return [
        series.query
        for spec in DASHBOARDS
        for _, panels in spec.rows
        for panel in panels
        if panel.source == WAREHOUSE
        for series in panel.series
    ]


def _panel(spec: PanelSpec) -> Any:
    kind = "prometheus" if spec.source == PROMETHEUS else "grafana-postgresql-datasource"
    panel = _BUILDERS[spec.kind]().title(spec.title).unit(spec.unit).span(spec.span).height(_HEIGHT)
    panel = panel.datasource(DataSourceRef(type_val=kind, uid=spec.source))
    if spec.description:
        panel = panel.description(spec.description)
    for position, series in enumerate(spec.series):
        ref_id = chr(ord("A") + position)
        if spec.source == WAREHOUSE:
            panel = panel.with_target(SqlQuery(series.query, ref_id))
            continue
        query = prometheus_builders.Dataquery().expr(series.query).legend_format(series.legend).ref_id(ref_id)
        panel = panel.with_target(query.instant().format(PromQueryFormat.TABLE) if spec.kind == "table" else query)
    return panel


def dashboard_file(spec: DashboardSpec) -> str:
    """Return the JSON of a dashboard."""
    built = (
        dashboard.Dashboard(f"NeighborConnect: {spec.title}")
        .uid(f"neighborconnect-{spec.uid}")
        .description(spec.description)
        .tags(["neighborconnect", "generated"])
        .refresh("1m")
        .time(spec.since, "now")
        .timezone("browser")
        .readonly()
    )
    ids = count(1)
    for heading, panels in spec.rows:
        built = built.with_row(dashboard.Row(heading).id(next(ids)))
        for panel in panels:
            built = built.with_panel(_panel(panel).id(next(ids)))
    return JSONEncoder(sort_keys=True, indent=2).encode(built.build()) + "\n"
