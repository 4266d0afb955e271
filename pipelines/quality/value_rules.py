"""Values that no history can produce, as SQL conditions by feature."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from feature_repo.schemas import FeatureType, ViewSchema
from neighborconnect.contracts.features import USER_AFFINITY


def out_of_range_conditions(schema: ViewSchema) -> Iterator[tuple[str, sql.Composable]]:
    """Yield each feature that has a range, and the condition that a row outside of it meets."""
    for feature, kind in schema.features.items():
        column = sql.Identifier(feature)
        if kind is FeatureType.INT64 or feature.startswith("age_"):
            yield feature, sql.SQL("{} < 0").format(column)
        elif feature == "click_through":
            yield feature, sql.SQL("{} NOT BETWEEN 0 AND 1").format(column)
    if schema.name == USER_AFFINITY:
        yield (
            "weights",
            sql.SQL(
                "cardinality(weights) <> cardinality(categories) OR cardinality(weights) > 0 AND "
                "abs((SELECT sum(weight) FROM unnest(weights) AS weight) - 1) > 0.001"
            ),
        )
