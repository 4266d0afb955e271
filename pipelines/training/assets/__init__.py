"""Assets by model family: data sets, registered model, champion and model service."""

from pipelines.training.assets import content, evaluation, matching, recommendation, vision

ASSETS = [*recommendation.ASSETS, *content.ASSETS, *matching.ASSETS, *vision.ASSETS, *evaluation.ASSETS]
