"""The Dagster code location: ``dagster -m pipelines.definitions``."""

from __future__ import annotations

import dagster as dg

import pipelines.experiments.jobs
import pipelines.features.assets
import pipelines.features.checks
import pipelines.features.jobs
import pipelines.features.schedules
import pipelines.features.sensors
import pipelines.ingest.assets
import pipelines.ingest.jobs
import pipelines.ingest.schedules
import pipelines.ingest.sensors
import pipelines.privacy.jobs
import pipelines.privacy.schedules
import pipelines.privacy.sensors
import pipelines.quality.checks
import pipelines.quality.jobs
import pipelines.quality.schedules
import pipelines.quality.sensors
import pipelines.training.assets
import pipelines.training.jobs
import pipelines.training.schedules
import pipelines.training.sensors
import pipelines.warehouse.assets
import pipelines.warehouse.checks
import pipelines.warehouse.jobs
import pipelines.warehouse.schedules
from pipelines.asset_defaults import with_defaults
from pipelines.resources import resources
from pipelines.warehouse.assets import build_assets

defs = dg.Definitions(
    assets=[
        *with_defaults(pipelines.ingest.assets.ASSETS, code=pipelines.ingest.assets),
        *with_defaults([build_assets()], code=pipelines.warehouse.assets),
        *with_defaults(pipelines.features.assets.ASSETS, code=pipelines.features.assets),
        *with_defaults(pipelines.training.assets.ASSETS, code=pipelines.training.assets),
    ],
    asset_checks=[
        *pipelines.features.checks.CHECKS,
        *pipelines.quality.checks.CHECKS,
        *pipelines.warehouse.checks.CHECKS,
    ],
    jobs=[
        *pipelines.ingest.jobs.JOBS,
        *pipelines.warehouse.jobs.JOBS,
        *pipelines.features.jobs.JOBS,
        *pipelines.training.jobs.JOBS,
        *pipelines.privacy.jobs.JOBS,
        *pipelines.quality.jobs.JOBS,
        *pipelines.experiments.jobs.JOBS,
    ],
    schedules=[
        *pipelines.ingest.schedules.SCHEDULES,
        *pipelines.features.schedules.SCHEDULES,
        *pipelines.training.schedules.SCHEDULES,
        *pipelines.privacy.schedules.SCHEDULES,
        *pipelines.quality.schedules.SCHEDULES,
        *pipelines.warehouse.schedules.SCHEDULES,
        *pipelines.experiments.jobs.SCHEDULES,
    ],
    sensors=[
        *pipelines.ingest.sensors.SENSORS,
        *pipelines.features.sensors.SENSORS,
        *pipelines.training.sensors.SENSORS,
        *pipelines.privacy.sensors.SENSORS,
        *pipelines.quality.sensors.SENSORS,
    ],
    resources=resources(),
    # Starting a process per step would take longer than most steps.
    executor=dg.in_process_executor,
)
