"""Jobs of the warehouse."""

import dagster as dg

from pipelines.quality.checks import MART_CHECKS
from pipelines.run_control import NETWORK_RETRY
from pipelines.warehouse.assets import SNAPSHOTS
from pipelines.warehouse.checks import CHECKS

MARTS = dg.AssetSelection.groups("staging", "intermediate", SNAPSHOTS, "marts") - dg.AssetSelection.checks(*MART_CHECKS)
"""The dbt models and snapshots with their tests. Importing Great Expectations takes longer than building the marts: its
checks run in the daily job ``check_marts``."""

build_warehouse = dg.define_asset_job(
    "build_warehouse",
    selection=MARTS,
    description="Build and test the warehouse with dbt.",
    op_retry_policy=NETWORK_RETRY,
)
check_sources = dg.define_asset_job(
    "check_sources",
    selection=dg.AssetSelection.checks(*CHECKS),
    description="Check the freshness of the sources with dbt.",
    op_retry_policy=NETWORK_RETRY,
)
JOBS = [build_warehouse, check_sources]
