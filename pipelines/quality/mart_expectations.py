"""Expectations on the marts (Great Expectations): ranges and orders of values. dbt tests keys and relations."""

from __future__ import annotations

import os

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
import great_expectations.expectations as gxe
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation import Expectation

from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings

SCHEMA = "marts"
MINIMUM_GROUP = 5
_COUNTS = ("impressions", "clicks", "hides")


def _not_negative(*columns: str) -> tuple[Expectation, ...]:
    return tuple(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=0) for name in columns)


def _shares(*columns: str) -> tuple[Expectation, ...]:
    return tuple(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=0, max_value=1) for name in columns)


def _at_least(larger: str, smaller: str) -> Expectation:
    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=larger, column_B=smaller, or_equal=True, ignore_row_if="either_value_is_missing"
    )


def _one_of(column: str, *values: str) -> Expectation:
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(values))


EXPECTATIONS: dict[str, tuple[Expectation, ...]] = {
    "daily_activity": (
        *_not_negative(*_COUNTS, "active_users"),
        *_shares("click_through"),
        _at_least("active_users", "engaged_users"),
    ),
    "daily_connector_engagement": (*_not_negative(*_COUNTS, "dwell_ms"), _at_least("active_users", "engaged_users")),
    "daily_moderation": (
        *_not_negative("opened", "decided", "open_at_end", "median_hours_to_decision"),
        _at_least("opened", "opened_by_model"),
        _at_least("p95_hours_to_decision", "median_hours_to_decision"),
    ),
    "daily_notifications": (
        *_shares("open_rate"),
        *_not_negative("median_seconds_to_open"),
        _at_least("sent", "opened"),
        _at_least("sent", "recipients"),
        _at_least("p95_seconds_to_open", "median_seconds_to_open"),
    ),
    "daily_recommendation_quality": (
        *_not_negative(*_COUNTS, "responses"),
        _one_of("item_kind", *(kind.value for kind in ItemKind)),
        _at_least("p95_latency_ms", "median_latency_ms"),
    ),
    "experiment_arms": (
        *_shares("engaged_share"),
        *_not_negative("mean_acts", "variance_acts"),
        _at_least("users", "crossed_over_users"),
        _at_least("users", "users_with_closed_window"),
        _at_least("exposures", "users"),
    ),
    "fct_events": (
        *_not_negative("attending", "guests", "waiting", "late_withdrawals"),
        _at_least("declined", "late_withdrawals"),
    ),
    "fct_marketplace_items": (
        *_not_negative("price", "sold_price", "viewers"),
        _one_of("status", "available", "reserved", "sold"),
        _at_least("sold_at", "agreed_at"),
    ),
    "fct_moderation_cases": (
        *_not_negative("hours_to_decision", "hours_to_appeal_decision"),
        _one_of("appeal_state", "open", "upheld", "overturned"),
    ),
    "fct_sessions": (gxe.ExpectColumnValuesToBeBetween(column="seconds", min_value=0, max_value=86_400),),
    "fct_statements_of_reasons": (
        _one_of("automated_detection", "Yes", "No"),
        gxe.ExpectColumnValuesToMatchRegex(column="category", regex="^STATEMENT_CATEGORY_"),
        gxe.ExpectColumnValuesToMatchRegex(column="content_type", regex="^CONTENT_TYPE_"),
        gxe.ExpectColumnValuesToMatchRegex(column="source_type", regex="^SOURCE_"),
    ),
    "marketplace_sellers": (
        *_not_negative("revenue"),
        _at_least("listed", "sold"),
        gxe.ExpectColumnValuesToBeBetween(column="mean_rating", min_value=1, max_value=5),
    ),
    "recommendable_items": (gxe.ExpectColumnValueLengthsToBeBetween(column="text", min_value=1),),
    "weekly_activation": (
        *_shares("activation"),
        *(_at_least("users", name) for name in ("joined", "liked", "posted")),
        *(_at_least(name, "did_all") for name in ("joined", "liked", "posted")),
    ),
    "weekly_connector_reviews": (
        gxe.ExpectColumnValuesToBeBetween(column="mean_rating", min_value=1, max_value=5),
        _at_least("reviews", "hidden"),
    ),
    "weekly_marketplace_prices": (
        *_shares("sold_share"),
        *_not_negative("median_price", "median_sold_price"),
        _at_least("listed", "sold"),
    ),
    "weekly_neighborhood_activity": (
        gxe.ExpectColumnValuesToBeBetween(column="active_users", min_value=MINIMUM_GROUP),
    ),
    "weekly_reels": (*_not_negative("views", "likes"), _at_least("reels", "authors")),
    "weekly_retention": (
        *_shares("retention"),
        *_not_negative("week_number"),
        _at_least("cohort_users", "active_users"),
    ),
}


def count_unexpected_rows(settings: Settings, *, mart: str) -> dict[str, int]:
    """Return the number of unexpected rows of each expectation that the mart does not meet."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    url = "postgresql+psycopg2://" + settings.warehouse_url.removeprefix("postgresql://")
    source = context.data_sources.add_postgres("warehouse", connection_string=url)
    table = source.add_table_asset(mart, table_name=mart, schema_name=SCHEMA)
    batch = table.add_batch_definition_whole_table("now").get_batch()
    suite = gx.ExpectationSuite(name=mart, expectations=list(EXPECTATIONS[mart]))
    result = batch.validate(suite)
    return {
        f"{validation.expectation_config.type}({validation.expectation_config.kwargs.get('column', '')})": int(
            validation.result.get("unexpected_count", 0)
        )
        for validation in result.results
        if not validation.success and validation.expectation_config is not None
    }
