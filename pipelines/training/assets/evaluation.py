"""Evaluation of served recommendations."""

from datetime import UTC, datetime

import dagster as dg

from neighborconnect.settings import Settings
from pipelines.asset_keys import WEEKLY_EVALUATION

GROUP = "evaluation"


@dg.asset(
    key=WEEKLY_EVALUATION,
    deps=[dg.AssetKey(["marts", "daily_recommendation_quality"])],
    group_name=GROUP,
    kinds={"postgres", "mlflow"},
    description="Click-through of recommendations in the last seven days, by kind and source, and in the week before.",
)
def weekly_evaluation(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Evaluate the last seven UTC days, and log them as an MLflow run."""
    from pipelines.training.weekly_evaluation import as_table, evaluate_week, log_week

    until = datetime.now(UTC).date()
    qualities = evaluate_week(settings, until=until)
    return dg.MaterializeResult(
        metadata={
            "responses": sum(one.responses for one in qualities),
            "impressions": sum(one.impressions for one in qualities),
            "evaluation": dg.MetadataValue.md(as_table(qualities)),
            "run": log_week(settings, qualities, until=until),
        }
    )


ASSETS = [weekly_evaluation]
