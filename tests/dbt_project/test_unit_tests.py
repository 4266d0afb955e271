"""The unit tests of the dbt models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbt.artifacts.resources.types import NodeType

if TYPE_CHECKING:
    from tests.dbt_project.conftest import Warehouse

# Models whose SQL decides something beyond joins and renames.
MODELS_WITH_LOGIC = {
    "daily_activity",
    "daily_connector_engagement",
    "daily_moderation",
    "daily_notifications",
    "fct_activity",
    "fct_events",
    "fct_experiment_users",
    "fct_marketplace_items",
    "fct_moderation_cases",
    "fct_recommendations",
    "fct_sessions",
    "fct_statements_of_reasons",
    "fct_user_activation",
    "int_activity",
    "int_connector_versions",
    "int_excluded_users",
    "int_retractions",
    "recommendable_items",
    "weekly_neighborhood_activity",
    "weekly_retention",
}


def test_unit_tests_of_the_models_pass(built: Warehouse) -> None:
    # The columns of the inputs come from the warehouse, which the fixture has built.
    results = [
        result
        for result in built.dbt("test", "--select", "test_type:unit")
        if result.node.resource_type is NodeType.Unit
    ]

    assert {result.status for result in results} == {"pass"}
    assert {result.node.unique_id.split(".")[2] for result in results} == MODELS_WITH_LOGIC
