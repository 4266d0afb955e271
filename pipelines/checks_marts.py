"""What the marts may hold: ranges and orders that dbt's tests of keys and relations do not say (Great Expectations)."""

from __future__ import annotations

import os

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
import great_expectations.expectations as gxe
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation import Expectation

from neighborconnect.settings import Settings

SCHEMA = "marts"
_COUNTS = ("impressions", "clicks", "hides")
EXPECTATIONS: dict[str, tuple[Expectation, ...]] = {
    "daily_activity": (
        *(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=0) for name in (*_COUNTS, "active_users")),
        gxe.ExpectColumnValuesToBeBetween(column="click_through", min_value=0, max_value=1),
        gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A="active_users", column_B="engaged_users", or_equal=True, ignore_row_if="either_value_is_missing"
        ),
    ),
    "daily_recommendation_quality": (
        *(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=0) for name in (*_COUNTS, "answers")),
        gxe.ExpectColumnValuesToBeInSet(column="item_kind", value_set=["post", "connector"]),
        gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A="p95_latency_ms",
            column_B="median_latency_ms",
            or_equal=True,
            ignore_row_if="either_value_is_missing",
        ),
    ),
    "fct_sessions": (gxe.ExpectColumnValuesToBeBetween(column="seconds", min_value=0, max_value=86_400),),
    "recommendable_items": (gxe.ExpectColumnValueLengthsToBeBetween(column="text", min_value=1),),
}


def unmet(settings: Settings, *, mart: str) -> dict[str, int]:
    """Return the expectations that the mart does not meet, each with how many rows are in the way."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    url = "postgresql+psycopg2://" + settings.warehouse_url.removeprefix("postgresql://")
    source = context.data_sources.add_postgres("warehouse", connection_string=url)
    table = source.add_table_asset(mart, table_name=mart, schema_name=SCHEMA)
    batch = table.add_batch_definition_whole_table("now").get_batch()
    suite = gx.ExpectationSuite(name=mart, expectations=list(EXPECTATIONS[mart]))
    result = batch.validate(suite)
    return {
        f"{one.expectation_config.type}({one.expectation_config.kwargs.get('column', '')})": int(
            one.result.get("unexpected_count", 0)
        )
        for one in result.results
        if not one.success and one.expectation_config is not None
    }
