"""Catalog of the collectors by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from neighborconnect.settings import Settings
from pipelines.monitoring import features, jobs, lineage, model_versions, outbox, postgres, redis, workers
from pipelines.monitoring.dead_letters import DeadLetters
from pipelines.monitoring.exporter import Collect, reused
from pipelines.monitoring.kafka import KafkaOffsets

_FEATURES_SECONDS = 600.0
_MODELS_SECONDS = 60.0


def collectors(settings: Settings) -> Mapping[str, Collect]:
    """Return the collectors for the stores of ``settings``; none connects yet."""
    return {
        "workers": partial(workers.collect, settings),
        "outbox": partial(outbox.collect, settings),
        "kafka": KafkaOffsets(settings).collect,
        "dead_letters": DeadLetters(settings).collect,
        "jobs": partial(jobs.collect, settings),
        # No index is on the event time alone, so the newest row takes a scan.
        "features": reused(partial(features.collect, settings), seconds=_FEATURES_SECONDS),
        "dagster": partial(lineage.collect, settings),
        "models": reused(partial(model_versions.collect, settings), seconds=_MODELS_SECONDS),
        "postgres": partial(postgres.collect, settings),
        "redis": partial(redis.collect, settings),
        "object_store": partial(workers.collect_object_store, settings),
    }
