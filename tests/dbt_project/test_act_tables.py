"""The acts of the marts are those of the features."""

from __future__ import annotations

import yaml

from neighborconnect.contracts.topics import STREAM_BY_TABLE
from pipelines.transforms.act_tables import ACT_TABLE_BY_NAME
from pipelines.warehouse.dbt import PROJECT_DIR

ACT_TABLES = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text())["vars"]["act_tables"]


def test_act_tables_of_dbt_agree_with_those_of_the_features() -> None:
    assert [table["table"] for table in ACT_TABLES] == [
        "event_attendees",
        "marketplace_purchases",
        "reviews",
        "post_reactions",
    ]
    for table in ACT_TABLES:
        act = ACT_TABLE_BY_NAME[table["table"]]
        assert (table["kind"], table["user"], table["item_kind"], table["item"], table["at"]) == (
            act.kind,
            act.user,
            act.item_kind,
            act.item,
            act.at,
        )
        statuses = ", ".join(f"'{status}'" for status in act.statuses)
        has_is_active = "is_active" in {column.name for column in STREAM_BY_TABLE[act.table].columns}
        assert table["is_current"] == (
            f"status in ({statuses})" if statuses else "is_active" if has_is_active else "true"
        )
