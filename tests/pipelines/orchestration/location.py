"""A code location of a test: a training that never ends, and an erasure that ends at once."""

import threading

import dagster as dg

from models.tracking import ModelTracker
from neighborconnect.settings import Settings
from pipelines.resources import settings_resource
from pipelines.run_control import ERASURE, SLOT
from pipelines.training.sensors import abandoned_training_sensor


@dg.op
def train(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    run_id = ModelTracker(settings, name="hangs", experiment="hangs").start(run_name="hangs")
    context.log.info(f"started {run_id}")
    threading.Event().wait()


@dg.op
def erase() -> None:
    """Return at once."""


@dg.job
def hang() -> None:
    train()


@dg.job(tags={SLOT: ERASURE})
def erase_people() -> None:
    erase()


defs = dg.Definitions(
    jobs=[hang, erase_people],
    sensors=[abandoned_training_sensor],
    resources={"settings": settings_resource},
    executor=dg.in_process_executor,
)
