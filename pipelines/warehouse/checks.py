"""Check of the sources of the dbt project."""

import dagster as dg

from neighborconnect.settings import Settings
from pipelines.asset_keys import RAW, table_key


@dg.asset_check(
    asset=table_key(RAW, "interactions"),
    name="sources_are_fresh",
    description="`dbt source freshness`: tables that get rows every day have a row of the last day.",
)
def sources_are_fresh(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
    """Warn of sources whose newest row is older than their freshness threshold."""
    from pipelines.warehouse.source_freshness import stale_sources

    stale = stale_sources(settings)
    return dg.AssetCheckResult(
        passed=not stale, severity=dg.AssetCheckSeverity.WARN, metadata={"newest_row_of_stale_tables": stale}
    )


CHECKS = [sources_are_fresh]
