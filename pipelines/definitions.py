"""The code location: ``dagster -m pipelines.definitions``."""

from __future__ import annotations

import dagster as dg

from pipelines import jobs, schedules, sensors
from pipelines.assets import content, expectations, features, landing, matching, recommendation, vision, warehouse
from pipelines.resources import resources

defs = dg.Definitions(
    assets=[
        *landing.SPECS,
        warehouse.build_assets(),
        *features.ASSETS,
        *recommendation.ASSETS,
        *content.ASSETS,
        *matching.ASSETS,
        *vision.ASSETS,
    ],
    asset_checks=[*landing.CHECKS, *features.CHECKS, *expectations.CHECKS],
    jobs=[*jobs.ASSET_JOBS, jobs.compact_lake, jobs.forget_people, jobs.complete_copies],
    schedules=schedules.SCHEDULES,
    sensors=[
        sensors.landing_watch,
        sensors.champion_watch,
        sensors.copies_watch,
        sensors.online_store_watch,
        sensors.abandoned_trainings_watch,
    ],
    resources=resources(),
    # A step is short beside the imports of another process.
    executor=dg.in_process_executor,
)
