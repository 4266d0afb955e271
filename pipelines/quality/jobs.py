"""Jobs that run checks."""

import dagster as dg

from pipelines.quality.checks import COPY_CHECKS, MART_CHECKS
from pipelines.run_control import NETWORK_RETRY

check_event_copies = dg.define_asset_job(
    "check_event_copies",
    selection=dg.AssetSelection.checks(*COPY_CHECKS),
    description="Compare the lake and the warehouse's mirror with PostgreSQL and with each other.",
    op_retry_policy=NETWORK_RETRY,
)
check_marts = dg.define_asset_job(
    "check_marts",
    selection=dg.AssetSelection.checks(*MART_CHECKS),
    description="Validate the expectations on the marts.",
    op_retry_policy=NETWORK_RETRY,
)
JOBS = [check_event_copies, check_marts]
