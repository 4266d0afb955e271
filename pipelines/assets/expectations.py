"""A check on each mart that has expectations."""

import dagster as dg

from neighborconnect.settings import Settings

MARTS = ("daily_activity", "daily_recommendation_quality", "fct_sessions", "recommendable_items")


def _check(mart: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(["marts", mart]),
        name="meets_expectations",
        description="Ranges and orders that the rows of this mart must keep (Great Expectations).",
    )
    def meets_expectations(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        from pipelines import checks_marts as checks

        unmet = checks.unmet(settings, mart=mart)
        return dg.AssetCheckResult(passed=not unmet, metadata={"unmet": unmet})

    return meets_expectations


CHECKS = [_check(mart) for mart in MARTS]
